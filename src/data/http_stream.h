#pragma once

#include <memory>
#include <string>

#include "data/byte_stream.h"

namespace cloob {

/// The body of an http(s) answer from a byte on; redirections are followed. Ends in a StreamError where the
/// server refuses, answers with an error, breaks off or is silent for too long.
class HttpStream final : public ByteStream {
 public:
  HttpStream(const std::string& address, std::uint64_t offset, double timeout_seconds, std::stop_token stop);
  ~HttpStream() override;
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  std::size_t read(std::span<std::byte> into) override;

 private:
  struct Transfer;
  std::unique_ptr<Transfer> transfer_;
};

}  // namespace cloob

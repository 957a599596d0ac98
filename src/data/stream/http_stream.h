#pragma once

#include <memory>
#include <string>

#include "data/stream/byte_stream.h"

namespace cloob {

/// The body of an http(s) response, starting at a byte offset; redirects are followed. Reading throws a
/// StreamError if the server responds with an error, drops the connection or is silent for too long.
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

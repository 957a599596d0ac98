#pragma once

#include <sys/types.h>

#include <string>

#include "data/byte_stream.h"

namespace cloob {

/// The standard output of a command that /bin/sh runs. Its standard error stays that of this process. A
/// command that fails (exit status, signal) or is silent for too long ends in a StreamError. It
/// never outlives this process, whatever ends that.
class PipeStream final : public ByteStream {
 public:
  PipeStream(const std::string& command, double timeout_seconds, std::stop_token stop);
  /// Ends the command and all that it has started.
  ~PipeStream() override;
  PipeStream(const PipeStream&) = delete;
  PipeStream& operator=(const PipeStream&) = delete;

  std::size_t read(std::span<std::byte> into) override;

 private:
  void wait_for_bytes() const;
  void check_exit();

  double timeout_seconds_;
  std::stop_token stop_;
  pid_t process_ = -1;
  int descriptor_ = -1;
  int lifeline_ = -1;  // as long as it is open, the command may live
};

}  // namespace cloob

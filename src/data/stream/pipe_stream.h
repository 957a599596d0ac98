#pragma once

#include <sys/types.h>

#include <string>

#include "data/stream/byte_stream.h"

namespace cloob {

/// The standard output of a command run by /bin/sh, which inherits standard error. Reading throws a
/// StreamError if the command fails (exit status, signal) or is silent for too long. The command never
/// outlives this process, however that ends.
class PipeStream final : public ByteStream {
 public:
  PipeStream(const std::string& command, double timeout_seconds, std::stop_token stop);
  /// Kills the command and all processes that it has started.
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
  int lifeline_ = -1;  // the command is killed when this is closed
};

}  // namespace cloob

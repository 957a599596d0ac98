// Bytes that can only be read sequentially: of a file, a command's output, an http(s) address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>

#include "cloob/data/data_config.h"

namespace cloob {

/// Reading a stream failed. The message does not name the stream.
class StreamError : public std::runtime_error {
 public:
  enum class Kind {
    transient,  ///< reopening it may help
    permanent,  ///< reopening it will not help
  };
  StreamError(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

/// Thrown after a request to stop.
class StreamStopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped"; }
};

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Waits for bytes, reads at most into.size() of them and returns how many; 0 at the end. Throws
  /// StreamError and StreamStopped.
  virtual std::size_t read(std::span<std::byte> into) = 0;
};

/// Reads and discards `count` bytes. Throws StreamError if the stream ends earlier.
void skip_bytes(ByteStream& stream, std::uint64_t count);

/// Opens what `name` stands for (see is_stream_name; or a plain file) at its first byte, decompressed if it
/// is gzip-compressed. A broken stream is reopened and continues where it broke, as the settings say; each
/// retry is logged. A request to stop ends every wait.
std::unique_ptr<ByteStream> open_stream(const std::string& name, const StreamConfig& config,
                                        std::stop_token stop);

/// The complete content of a small text file, such as sample counts beside the shards. Throws StreamError,
/// also for more than 64 MiB.
std::string read_text_stream(const std::string& name, const StreamConfig& config, std::stop_token stop);

}  // namespace cloob

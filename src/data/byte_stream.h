// Bytes that can only be read one after the other: of a file, a command's output, an http(s) address.
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

/// A stream cannot be read on. The message does not name the stream.
class StreamError : public std::runtime_error {
 public:
  enum class Kind {
    passing,  ///< opening it again may help
    lasting,  ///< it will not
  };
  StreamError(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

/// Thrown where somebody has asked to stop.
class StreamStopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped"; }
};

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Waits for bytes, fills at most `into` and returns how many came; 0 at the end. Throws StreamError and
  /// StreamStopped.
  virtual std::size_t read(std::span<std::byte> into) = 0;
};

/// Reads and drops `count` bytes. Throws StreamError where the stream ends before.
void skip_bytes(ByteStream& stream, std::uint64_t count);

/// Opens what `name` stands for (see is_stream_name; or a plain file) from its first byte, unpacked where it
/// is compressed by gzip. What breaks is opened again and goes on where it was, as the settings say; each new
/// try is logged. A request to stop ends every wait.
std::unique_ptr<ByteStream> open_stream(const std::string& name, const StreamConfig& config,
                                        std::stop_token stop);

/// A whole small text, such as a file of counts beside the shards. Throws StreamError, also for more than
/// 64 MiB.
std::string read_text_stream(const std::string& name, const StreamConfig& config, std::stop_token stop);

}  // namespace cloob

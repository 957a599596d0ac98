// The answer of a web server to a request for the bytes of a file from an offset on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "data/stream/byte_stream.h"

namespace cloob {

/// "bytes 100-299/300": the bytes of a file that are in the body of an answer.
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;              ///< at least `first`
  std::optional<std::uint64_t> total;  ///< size of the file, above `last`; the server may not know it
  bool operator==(const ContentRange&) const = default;
};

/// Parses the value of a Content-Range header (RFC 9110, 14.4); nullopt for anything else, such as another unit.
std::optional<ContentRange> parse_content_range(std::string_view value);

/// The value of a header line if it has this name, ignoring case, without white space around it.
std::optional<std::string_view> header_value(std::string_view line, std::string_view name);

/// Decides from the header, as it arrives, which bytes of the body are those that were asked for. Once an answer is
/// refused, the rest of it is not worth receiving: it may be endless.
class HttpAnswer {
 public:
  /// The bytes of the file from `offset` on were asked for; 0 is the whole file, without a range.
  explicit HttpAnswer(std::uint64_t offset) : offset_(offset) {}

  /// Takes a line of the header, the status line included. After a redirect, another header follows. Returns false if
  /// the answer is refused.
  bool take_header(std::string_view line);
  /// To be called with the status of the last header before the first `take_body`, and in any case before
  /// `check_end`.
  void begin_body(long status);
  bool has_begun() const { return has_begun_; }
  /// Takes a part of the body and returns the bytes of it that were asked for; nullopt if the answer is refused.
  std::optional<std::span<const std::byte>> take_body(std::span<const std::byte> bytes);

  const std::optional<StreamError>& refused() const { return refused_; }
  /// To be called after the end of the body. Throws StreamError if the answer is refused or bytes are missing.
  void check_end() const;

 private:
  void refuse(StreamError::Kind kind, const std::string& reason) { refused_.emplace(kind, reason); }

  std::uint64_t offset_;
  std::size_t header_bytes_ = 0;
  std::string content_range_;          // of the last header; empty if it has none
  std::optional<ContentRange> range_;  // what it says, if that is what was asked for
  std::uint64_t to_drop_ = 0;          // bytes before `offset_`, if the server sends the whole file
  std::uint64_t received_ = 0;         // bytes of the body, including those to drop
  bool has_begun_ = false;
  std::optional<StreamError> refused_;
};

}  // namespace cloob

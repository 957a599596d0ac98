#include "data/stream/http_answer.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "cloob/base/text.h"

namespace cloob {
namespace {

// Digits only: no sign, no spaces.
std::optional<std::uint64_t> parse_offset(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Which answers are worth a retry.
StreamError::Kind kind_of_status(long status) {
  constexpr long kTimeout = 408, kTooMany = 429, kServerError = 500;
  const bool is_transient = status >= kServerError || status == kTimeout || status == kTooMany;
  return is_transient ? StreamError::Kind::transient : StreamError::Kind::permanent;
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view value) {
  constexpr std::string_view kUnit = "bytes ";
  if (to_lower_ascii(value.substr(0, kUnit.size())) != kUnit) return std::nullopt;
  value = trim(value.substr(kUnit.size()));
  const std::size_t dash = value.find('-'), slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) return std::nullopt;
  const auto first = parse_offset(value.substr(0, dash));
  const auto last = parse_offset(value.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first) return std::nullopt;
  ContentRange range{*first, *last, std::nullopt};
  if (const std::string_view total = value.substr(slash + 1); total != "*") {
    range.total = parse_offset(total);
    if (!range.total || *range.total <= *last) return std::nullopt;
  }
  return range;
}

std::optional<std::string_view> header_value(std::string_view line, std::string_view name) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || to_lower_ascii(line.substr(0, colon)) != to_lower_ascii(name))
    return std::nullopt;
  return trim(line.substr(colon + 1));
}

bool HttpAnswer::take_header(std::string_view line) {
  constexpr std::size_t kMaxHeaderBytes = 256 << 10;
  constexpr std::size_t kMaxValue = 80;
  if (line.starts_with("HTTP/")) content_range_.clear();
  if (const auto value = header_value(line, "content-range")) content_range_ = value->substr(0, kMaxValue);
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes)
    refuse(StreamError::Kind::permanent, "the header of the answer is too long");
  return !refused_;
}

void HttpAnswer::begin_body(long status) {
  constexpr long kPartialContent = 206, kFirstError = 300;
  has_begun_ = true;
  if (refused_) return;
  if (status >= kFirstError) {
    refuse(kind_of_status(status), fmt::format("the server answered {}", status));
  } else if (status != kPartialContent) {
    to_drop_ = offset_;
  } else if (range_ = parse_content_range(content_range_); !range_ || range_->first != offset_) {
    refuse(StreamError::Kind::permanent,
           fmt::format("the server was asked for the bytes from {} on and answered with '{}'", offset_,
                       content_range_));
  }
}

std::optional<std::span<const std::byte>> HttpAnswer::take_body(std::span<const std::byte> bytes) {
  if (refused_) return std::nullopt;
  received_ += bytes.size();
  if (range_ && received_ > 0 && received_ - 1 > range_->last - range_->first) {
    refuse(StreamError::Kind::permanent, fmt::format("the server sent more than '{}'", content_range_));
    return std::nullopt;
  }
  const auto dropped = static_cast<std::size_t>(std::min<std::uint64_t>(to_drop_, bytes.size()));
  to_drop_ -= dropped;
  return bytes.subspan(dropped);
}

void HttpAnswer::check_end() const {
  if (refused_) throw StreamError(*refused_);
  if (to_drop_ > 0) throw StreamError(StreamError::Kind::permanent, "it has become shorter");
  // Some servers limit the size of an answer.
  if (!range_ || !range_->total || offset_ + received_ >= *range_->total) return;
  throw StreamError(StreamError::Kind::transient, fmt::format("the server sent the bytes up to {} of {}",
                                                              offset_ + received_, *range_->total));
}

}  // namespace cloob

#include "search/line_reader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "cloob/base/error.h"

namespace cloob {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 16, kMaxLineBytes = std::size_t{4} << 20;

}  // namespace

LineReader::LineReader(std::filesystem::path path) : file_(std::move(path)), buffer_(kBufferBytes) {}

bool LineReader::fill() {
  begin_ = 0;
  end_ = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), file_.size() - position_));
  file_.read(position_, std::span(buffer_).first(end_));
  position_ += end_;
  return end_ > 0;
}

std::optional<std::string> LineReader::next() {
  std::string line;
  while (begin_ < end_ || fill()) {
    const auto* const text = reinterpret_cast<const char*>(buffer_.data());
    const auto* const found = std::find(text + begin_, text + end_, '\n');
    line.append(text + begin_, found);
    begin_ = static_cast<std::size_t>(found - text) + 1;
    if (line.size() > kMaxLineBytes)
      throw_user_error("'{}' has a line of more than {} bytes", file_.path().string(), kMaxLineBytes);
    if (found == text + end_) continue;
    if (line.ends_with('\r')) line.pop_back();
    return line;
  }
  if (line.empty()) return std::nullopt;
  return line;
}

}  // namespace cloob

#include "data/table/record_scanner.h"

#include <algorithm>
#include <span>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {

// Reads more of the file behind the part of the buffer that is not used yet; false at the end of the file. Twice as
// much each time, so that a long record is not parsed again and again.
bool RecordScanner::fetch() {
  constexpr std::size_t kMinBytes = 1 << 20;
  const std::uint64_t left = file_.size() - std::min(file_.size(), next_offset_);
  if (left == 0) return false;
  buffer_.erase(0, position_);
  position_ = 0;
  const std::size_t have = buffer_.size();
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, std::max(have, kMinBytes)));
  buffer_.resize(have + count);
  file_.read(next_offset_, std::as_writable_bytes(std::span(buffer_).subspan(have)));
  next_offset_ += count;
  return true;
}

std::optional<CsvRecord> RecordScanner::next() {
  std::string_view text;
  std::size_t end = 0;
  for (;;) {
    text = std::string_view(buffer_).substr(position_);
    end = text.empty() ? 0 : find_record_end(text, 0, dialect_);
    // What reaches the end of the buffer may look different with the bytes after it.
    if (end < text.size()) break;
    const bool is_too_long = text.size() > kMaxRecordBytes;
    if (!is_too_long && fetch()) continue;
    if (text.empty()) return std::nullopt;
    if (end == std::string_view::npos) {
      throw_user_error(
          "{}:{}: a quoted field in this row never ends: fix it, or set data.csv.quoting to 'none' if quotes are plain "
          "text",
          file_.path().string(), line_);
    }
    if (is_too_long) {
      throw_user_error("{}:{}: this row has more than {}: is it a table, with one row per line?",
                       file_.path().string(), line_, human_bytes(kMaxRecordBytes));
    }
    break;
  }
  CsvRecord record{begin_, line_, text.substr(0, end)};
  position_ += end;
  begin_ += end;
  line_ += std::ranges::count(record.text, '\n');
  if (record.text.ends_with('\n')) record.text.remove_suffix(1);
  if (record.text.ends_with('\r')) record.text.remove_suffix(1);
  return record;
}

}  // namespace cloob

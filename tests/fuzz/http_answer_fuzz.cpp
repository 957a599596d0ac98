// Answers of a web server: the first bytes choose the offset and the status, lines up to a blank one are the header, the
// rest is the body, which arrives in pieces.
#include <algorithm>
#include <array>
#include <string>

#include "data/stream/http_answer.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;

void check_range(std::string_view value) {
  const auto range = parse_content_range(value);
  if (!range) return;
  require(range->first <= range->last, "a range is not empty");
  require(!range->total || *range->total > range->last, "a range is inside the file");
  const std::string written = "bytes " + std::to_string(range->first) + "-" + std::to_string(range->last) +
                              "/" + (range->total ? std::to_string(*range->total) : "*");
  require(parse_content_range(written) == range, "a range survives being written");
}

void check_answer(std::uint64_t offset, long status, std::string_view text) {
  HttpAnswer answer(offset);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    if (line == "\n" || line == "\r\n") break;
    if (const auto value = header_value(line, "content-range")) check_range(*value);
    if (!answer.take_header(line)) break;
  }
  answer.begin_body(status);
  std::string kept;
  std::size_t taken = 0;
  for (constexpr std::size_t kPiece = 7; taken < text.size(); taken = std::min(taken + kPiece, text.size())) {
    const std::string_view piece = text.substr(taken, kPiece);
    const auto wanted = answer.take_body(std::as_bytes(std::span(piece.data(), piece.size())));
    require(wanted.has_value() == !answer.refused(), "bytes come until the answer is refused");
    if (!wanted) break;
    kept.append(reinterpret_cast<const char*>(wanted->data()), wanted->size());
  }
  require(status < 300 || kept.empty(), "nothing of an error page is used");
  require(text.substr(0, taken).ends_with(kept) || answer.refused(), "nothing but the beginning is dropped");
  try {
    answer.check_end();
    require(status == 206 || kept.size() + offset == text.size(), "the whole file comes from its offset on");
  } catch (const StreamError&) {
  }
}

}  // namespace
}  // namespace cloob

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloob;
  if (size < 2) return 0;
  constexpr std::array<long, 8> kStatus = {200, 206, 206, 206, 204, 301, 404, 500};
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  check_answer(data[0], kStatus[data[1] % kStatus.size()], text);
  check_range(text);
  return 0;
}

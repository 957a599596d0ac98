#include "cloob/base/foreign_content.h"

#include <algorithm>
#include <array>
#include <string>

#include "cloob/base/error.h"
#include "cloob/base/first_bytes.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"

namespace cloob {
namespace {

bool is_web_page(std::string_view text) {
  constexpr auto kBegins = std::to_array<std::string_view>({"<!doctype html", "<html", "<head", "<body"});
  return std::ranges::any_of(kBegins, [&](std::string_view begin) { return text.starts_with(begin); });
}

// Object stores answer in XML: <?xml version="1.0"?><Error><Code>AccessDenied</Code>...
bool is_error_in_xml(std::string_view text) {
  return text.starts_with("<error>") ||
         (text.starts_with("<?xml") && text.find("<error>") != std::string_view::npos);
}

}  // namespace

std::optional<std::string_view> describe_foreign_content(std::string_view first_bytes) {
  const std::string text =
      to_lower_ascii(trim(without_byte_order_mark(first_bytes.substr(0, kForeignContentBytes))));
  if (text.starts_with("version https://git-lfs") || text.starts_with("version https://hawser"))
    return "a Git LFS pointer, not the file itself: run 'git lfs pull', or download the file";
  if (is_web_page(text)) return "a web page (HTML): the download failed or needs a login; download it again";
  if (is_error_in_xml(text)) return "a server's error message (XML): the download failed; download it again";
  return std::nullopt;
}

void reject_foreign_content(const std::filesystem::path& path, std::string_view first_bytes) {
  if (const auto what = describe_foreign_content(first_bytes))
    throw_user_error("'{}' is {}", path.string(), *what);
}

void reject_foreign_file(const std::filesystem::path& path) {
  reject_foreign_content(path, first_bytes_of(path, kForeignContentBytes));
}

}  // namespace cloob

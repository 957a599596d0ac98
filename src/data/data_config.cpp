#include "cloob/data/data_config.h"

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

void check_suffixes(const std::vector<std::string>& suffixes, std::string_view setting) {
  if (suffixes.empty()) throw_user_error("{} is empty: it needs at least one suffix", setting);
  for (const std::string& suffix : suffixes) {
    if (suffix.empty() || suffix.starts_with('.') || suffix != to_lower_ascii(suffix)) {
      throw_user_error(
          "{} has '{}': suffixes are written in lower case and without their first dot, 'jpg' for example",
          setting, suffix);
    }
  }
}

}  // namespace

std::optional<char> CsvConfig::separator_character() const {
  if (!separator) return std::nullopt;
  if (*separator == "tab" || *separator == "\\t") return '\t';
  if (separator->size() == 1 && *separator != "\"" && *separator != "\n" && *separator != "\r") {
    return separator->front();
  }
  throw_user_error("data.csv.separator is '{}': it has to be one character, or 'tab'", *separator);
}

void CsvConfig::validate() const {
  separator_character();
  if (caption_columns.empty()) {
    throw_user_error("data.csv.caption_columns is empty: it needs at least one column");
  }
}

void WebdatasetConfig::validate() const {
  check_suffixes(image_members, "data.webdataset.image_members");
  if (!json_caption_field) check_suffixes(caption_members, "data.webdataset.caption_members");
}

}  // namespace cloob

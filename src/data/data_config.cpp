#include "cloob/data/data_config.h"

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/data/source_names.h"

namespace cloob {
namespace {

void check_suffixes(const std::vector<std::string>& suffixes, std::string_view setting) {
  if (suffixes.empty()) throw_user_error("{} is empty: it needs at least one suffix", setting);
  for (const std::string& suffix : suffixes) {
    if (suffix.empty() || suffix.starts_with('.') || suffix != to_lower_ascii(suffix)) {
      throw_user_error(
          "{} has '{}': write suffixes in lower case and without the leading dot, for example 'jpg'", setting,
          suffix);
    }
  }
}

// Also false if the format is not known before the data is opened, as with the pattern "data/*".
bool all_data_has(DataFormat format, const DataConfig& data) {
  if (data.format != DataFormat::auto_) return data.format == format;
  const auto matches = [&](const std::string& name) { return format_by_name(name) == format; };
  return std::ranges::all_of(data.train, matches) && std::ranges::all_of(data.val, matches);
}

}  // namespace

std::optional<char> CsvConfig::separator_character() const {
  if (!separator) return std::nullopt;
  if (*separator == "tab" || *separator == "\\t") return '\t';
  if (separator->size() == 1 && *separator != "\"" && *separator != "\n" && *separator != "\r") {
    return separator->front();
  }
  throw_user_error("data.csv.separator is '{}': it must be one character or 'tab'", *separator);
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

void DataConfig::validate() const {
  if (with_replacement && shuffle == Shuffle::none) {
    throw_user_error("data.with_replacement needs a random order: set data.shuffle to windows or full");
  }
  if (!train_weights.empty() &&
      std::ranges::all_of(train_weights, [](double weight) { return weight == 0; })) {
    throw_user_error("all data.train_weights are 0, so no sample would be drawn: set at least one above 0");
  }
}

std::vector<std::string> settings_without_effect(const DataConfig& data, const Origins& origins) {
  std::vector<std::string> ignored;
  if (data.train.empty() && data.val.empty()) return ignored;
  const bool only_shards = all_data_has(DataFormat::webdataset, data);
  const bool only_tables = all_data_has(DataFormat::csv, data);
  for (const auto& [name, origin] : origins) {
    const bool is_table_setting = name.starts_with("data.csv.") || name == "data.image_root";
    if (only_shards && is_table_setting) ignored.push_back(name + " (all data is in tar shards)");
    if (only_tables && name.starts_with("data.webdataset."))
      ignored.push_back(name + " (all data is in tables)");
  }
  return ignored;
}

}  // namespace cloob

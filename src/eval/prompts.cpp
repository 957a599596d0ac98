#include "cloob/eval/prompts.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kPlaceholders[] = {"{c}", "{}"};

// A text of a list with its location, for messages.
struct Entry {
  std::string text;
  std::string location;
};

enum class EmptyLines { rejected, skipped };

// Empty lines at the end never matter.
std::vector<Entry> lines_of(const std::filesystem::path& file, EmptyLines empty_lines) {
  std::vector<std::string> lines = read_lines(file);
  while (!lines.empty() && trim(lines.back()).empty()) lines.pop_back();
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Entry entry = {std::string(trim(lines[i])), fmt::format("{}:{}", file.string(), i + 1)};
    if (!entry.text.empty()) {
      entries.push_back(entry);
    } else if (empty_lines == EmptyLines::rejected) {
      throw_user_error(
          "{}: the line is empty: the label of a class is its line number, so every line needs a name",
          entry.location);
    }
  }
  return entries;
}

std::vector<Entry> entries_of(const Json& list, const std::string& location) {
  std::vector<Entry> entries;
  for (const Json& item : list) {
    const std::string item_location = fmt::format("{}[{}]", location, entries.size());
    if (!item.is_string()) throw_user_error("{}: expected a string, found {}", item_location, item.dump());
    entries.push_back({item.get<std::string>(), item_location});
  }
  return entries;
}

[[noreturn]] void throw_unknown_data_set(const Json& by_data_set, const std::string& file,
                                         const std::string& data_set) {
  std::vector<std::string> names;
  for (const auto& [name, list] : by_data_set.items()) names.push_back(name);
  throw_user_error("{} has no data set '{}'{} It has: {}", file, data_set,
                   suggestion(data_set, names).empty() ? std::string(".") : suggestion(data_set, names),
                   join(names, ", "));
}

std::vector<Entry> json_entries(const std::filesystem::path& file,
                                const std::optional<std::string>& data_set) {
  const Json content = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  const std::string location = file.string();
  if (content.is_array() && !data_set) return entries_of(content, location);
  if (content.is_object() && data_set) {
    const auto found = content.find(*data_set);
    if (found == content.end()) throw_unknown_data_set(content, location, *data_set);
    if (found->is_array()) return entries_of(*found, location + ":" + *data_set);
    throw_user_error("{}:{}: expected a list of strings (prompts by class are not supported)", location,
                     *data_set);
  }
  if (content.is_object())
    throw_user_error("{} has one list per data set: say which one, as in '{}:NAME'", location, location);
  if (content.is_array())
    throw_user_error("{} is a single list without data sets: leave out ':{}'", location, *data_set);
  throw_user_error("{} is not a JSON list of strings, nor an object with one such list per data set",
                   location);
}

// `bundled` is the clip-benchmark file in which a bare data set name is looked up.
std::vector<Entry> load_entries(const std::string& source, const std::string& bundled,
                                EmptyLines empty_lines) {
  const std::size_t suffix = source.rfind(".json:");
  if (suffix != source.npos) return json_entries(source.substr(0, suffix + 5), source.substr(suffix + 6));
  if (source.ends_with(".json")) return json_entries(source, std::nullopt);
  const bool is_name =
      !std::filesystem::exists(source) && source.find('/') == source.npos && !source.ends_with(".txt");
  return is_name ? json_entries(find_resource(bundled), source) : lines_of(source, empty_lines);
}

void require_valid_template(const Entry& entry) {
  const std::string without = fill_template(entry.text, "");
  const bool has_placeholder = without.size() < entry.text.size();
  if (has_placeholder && without.find_first_of("{}") == without.npos) return;
  throw_user_error(
      "{}: '{}' is not a template: it needs {{c}} or {{}} in place of the class name, and no other braces",
      entry.location, entry.text);
}

}  // namespace

std::vector<std::string> load_class_names(const std::string& source) {
  std::vector<std::string> names;
  for (const Entry& entry : load_entries(source, "en_classnames.json", EmptyLines::rejected)) {
    names.push_back(entry.text);
  }
  if (names.empty()) throw_user_error("{} has no class names", source);
  return names;
}

std::vector<std::string> load_templates(const std::string& source) {
  std::vector<std::string> templates;
  for (const Entry& entry :
       load_entries(source, "en_zeroshot_classification_templates.json", EmptyLines::skipped)) {
    require_valid_template(entry);
    templates.push_back(entry.text);
  }
  if (templates.empty()) throw_user_error("{} has no templates", source);
  return templates;
}

std::vector<std::string> default_templates() { return {"a photo of a {c}."}; }

std::string fill_template(std::string_view prompt_template, std::string_view class_name) {
  std::string text;
  while (!prompt_template.empty()) {
    std::string_view placeholder;
    for (const std::string_view candidate : kPlaceholders) {
      if (prompt_template.starts_with(candidate)) placeholder = candidate;
    }
    if (placeholder.empty()) {
      text += prompt_template.front();
      prompt_template.remove_prefix(1);
    } else {
      text += class_name;
      prompt_template.remove_prefix(placeholder.size());
    }
  }
  return text;
}

}  // namespace cloob

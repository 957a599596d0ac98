#include "cloob/eval/prompts.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/foreign_content.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kPlaceholders[] = {"{c}", "{}"};
constexpr const char* kImageNet = "imagenet1k";  // in clip-benchmark's lists

// A text of a list with its location, for messages.
struct Entry {
  std::string text;
  std::string location;
};

// Without empty lines at the end.
std::vector<Entry> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> lines = read_lines(file);
  while (!lines.empty() && trim(lines.back()).empty()) lines.pop_back();
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < lines.size(); ++i)
    entries.push_back({std::string(trim(lines[i])), fmt::format("{}:{}", file.string(), i + 1)});
  return entries;
}

std::vector<Entry> entries_of(const Json& list, const std::string& location) {
  std::vector<Entry> entries;
  for (const Json& item : list) {
    const std::string item_location = fmt::format("{}[{}]", location, entries.size());
    if (!item.is_string()) throw_user_error("{}: expected a string, found {}", item_location, item.dump());
    entries.push_back({std::string(trim(item.get<std::string>())), item_location});
  }
  return entries;
}

[[noreturn]] void throw_unknown_data_set(const Json& by_data_set, const std::string& file,
                                         const std::string& data_set) {
  std::vector<std::string> names;
  for (const auto& [name, list] : by_data_set.items()) names.push_back(name);
  throw_user_error("{} has no data set '{}'{} It has: {}; a file with one entry per line will do, too", file,
                   data_set,
                   suggestion(data_set, names).empty() ? std::string(".") : suggestion(data_set, names),
                   join(names, ", "));
}

std::vector<Entry> json_entries(const std::filesystem::path& file,
                                const std::optional<std::string>& data_set) {
  const std::string location = file.string();
  const std::string text = read_file(file);
  reject_foreign_content(file, text);
  Json content;
  try {
    content = parse_python_json<Json>(text);
  } catch (const JsonError& error) {
    throw_user_error("{} {}", location, error.what());
  }
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
std::vector<Entry> load_entries(const std::string& source, const std::string& bundled) {
  const std::size_t suffix = source.rfind(".json:");
  if (suffix != source.npos) return json_entries(source.substr(0, suffix + 5), source.substr(suffix + 6));
  if (source.ends_with(".json")) return json_entries(source, std::nullopt);
  const bool is_template = std::ranges::any_of(
      kPlaceholders, [&](std::string_view text) { return source.find(text) != source.npos; });
  if (is_template && !std::filesystem::exists(source)) {
    throw_user_error(
        "'{}' is a template itself: write templates into a file, one per line, and name the file", source);
  }
  // The folder of a data set often has the name of its list.
  const bool is_file = std::filesystem::exists(source) && !std::filesystem::is_directory(source);
  const bool is_name = !is_file && source.find('/') == source.npos && !source.ends_with(".txt");
  return is_name ? json_entries(find_resource(bundled), source) : lines_of(source);
}

// "red_circle" -> "red circle"
std::string name_of(std::string folder) {
  std::ranges::replace(folder, '_', ' ');
  return folder;
}

bool are_wordnet_ids(const std::vector<std::string>& folders) {
  const auto is_id = [](const std::string& folder) {
    return folder.size() == 9 && folder.front() == 'n' &&
           std::all_of(folder.begin() + 1, folder.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  return !folders.empty() && std::ranges::all_of(folders, is_id);
}

// The names of some of ImageNet's 1,000 classes, whose labels count the sorted WordNet ids.
std::vector<std::string> imagenet_names(const std::vector<std::string>& wordnet_ids) {
  const std::vector<std::string> all_ids = read_nonempty_lines(find_resource("imagenet_synsets.txt"));
  const std::vector<std::string> all_names = load_class_names(kImageNet);
  CLOOB_CHECK(all_ids.size() == all_names.size(), "{} ids and {} names", all_ids.size(), all_names.size());
  std::vector<std::string> names;
  for (const std::string& id : wordnet_ids) {
    const auto found = std::ranges::lower_bound(all_ids, id);
    if (found == all_ids.end() || *found != id) {
      throw_user_error(
          "the folder '{}' has the form of a WordNet id, but is none of ImageNet's 1,000 classes: name the "
          "classes in a file, one line per folder",
          id);
    }
    names.push_back(all_names[static_cast<std::size_t>(found - all_ids.begin())]);
  }
  return names;
}

// A folder whose own name is given to another one: then the order of the names is not that of the folders.
void reject_exchanged_names(const ZeroShotPrompts& prompts, const std::vector<std::string>& keys,
                            const std::vector<std::string>& wanted) {
  for (std::size_t folder = 0; folder < wanted.size(); ++folder) {
    if (keys[folder] == wanted[folder]) continue;
    const auto other = std::ranges::find(keys, wanted[folder]) - keys.begin();
    if (other == std::ssize(keys)) continue;
    throw_user_error(
        "'{}' would call the folder '{}' '{}', and the folder '{}' '{}': it needs the names in the order of the folders, "
        "or exactly the folders' names",
        prompts.names_from, prompts.class_folders[folder], prompts.class_names[folder],
        prompts.class_folders[static_cast<std::size_t>(other)],
        prompts.class_names[static_cast<std::size_t>(other)]);
  }
}

// Names are in the order of the folders. A file in another order that lists exactly the names of the folders is
// matched by name.
void match_to_folders(ZeroShotPrompts& prompts) {
  const std::vector<std::string>& folders = prompts.class_folders;
  if (folders.empty()) return;
  std::vector<std::string>& names = prompts.class_names;
  if (names.size() != folders.size()) {
    throw_user_error(
        "'{}' has {} class names, but there are {} folders with images: it needs one name per "
        "folder, in the order of the folders{}",
        prompts.names_from, names.size(), folders.size(),
        are_wordnet_ids(folders) ? "; ImageNet's names need no file, the folders are WordNet ids" : "");
  }
  const auto normalized = [](const std::vector<std::string>& texts) {
    std::vector<std::string> result;
    for (const std::string& text : texts) result.push_back(to_lower_ascii(name_of(text)));
    return result;
  };
  const std::vector<std::string> keys = normalized(names), wanted = normalized(folders);
  if (keys == wanted) return;
  std::map<std::string, std::string> name_of_key;
  for (std::size_t i = 0; i < names.size(); ++i) name_of_key.emplace(keys[i], names[i]);
  std::vector<std::string> matched;
  for (const std::string& folder : wanted) {
    const auto found = name_of_key.find(folder);
    if (found == name_of_key.end()) return reject_exchanged_names(prompts, keys, wanted);
    matched.push_back(found->second);
    name_of_key.erase(found);
  }
  names = std::move(matched);
  log_warning("eval", "'{}' has the names of the folders in another order: each folder gets its own name",
              prompts.names_from);
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

namespace {

constexpr const char* kDefaultTemplate = "a photo of a {c}.";

// Of a data set with a layout of its own: the prompts of clip-benchmark, or those that CLIP's authors have for birds.
void set_published_templates(ZeroShotPrompts& prompts, const std::string& set) {
  if (set == "cub") {
    prompts.templates_from = "CLIP's prompt for birds";
    prompts.templates = {"a photo of a {c}, a type of bird."};
  } else {
    prompts.templates_from = set;
    prompts.templates = load_templates(set);
  }
}

}  // namespace

ZeroShotPrompts zero_shot_prompts(const LabeledSource& source, const std::optional<std::string>& class_names,
                                  const std::optional<std::string>& templates) {
  const std::vector<std::string>& folders = source.class_folders();
  const auto names_file = source.names_file();
  const auto published = source.published_set();
  const bool uses_imagenet = !class_names && !names_file && !published && are_wordnet_ids(folders);
  ZeroShotPrompts prompts;
  prompts.class_folders = folders;
  if (class_names || names_file) {
    prompts.names_from = class_names ? *class_names : names_file->string();
    prompts.class_names = load_class_names(prompts.names_from);
    match_to_folders(prompts);
  } else if (published) {
    prompts.names_from = published->names_from;
    prompts.class_names = published->class_names;
  } else if (uses_imagenet) {
    prompts.names_from = "the WordNet ids of ImageNet";
    prompts.class_names = imagenet_names(folders);
  } else {
    prompts.names_from = "the folders";
    for (const std::string& folder : folders) prompts.class_names.push_back(name_of(folder));
  }
  if (const auto file = source.templates_file(); templates || file || uses_imagenet) {
    prompts.templates_from = templates ? *templates : file ? file->string() : kImageNet;
    prompts.templates = load_templates(prompts.templates_from);
  } else if (published) {
    set_published_templates(prompts, published->name);
  } else {
    prompts.templates_from = "the default";
    prompts.templates = {kDefaultTemplate};
  }
  if (const auto file = source.seen_names_file()) set_seen_classes(prompts, file->string());
  return prompts;
}

void set_seen_classes(ZeroShotPrompts& prompts, const std::string& file) {
  const std::vector<std::string> seen = load_class_names(file);
  prompts.seen_from = file;
  prompts.is_seen.assign(prompts.class_names.size(), false);
  for (const std::string& name : seen) {
    bool found = false;
    for (std::size_t label = 0; label < prompts.class_names.size(); ++label) {
      if (prompts.class_names[label] == name) prompts.is_seen[label] = found = true;
    }
    if (!found)
      throw_user_error(
          "'{}' has the name '{}', which no class has{}: it lists those of the classes that training had",
          file, name, suggestion(name, prompts.class_names));
  }
  if (std::ranges::find(prompts.is_seen, false) == prompts.is_seen.end())
    throw_user_error("'{}' has the names of all classes: then none is unseen", file);
}

std::string describe(const ZeroShotPrompts& prompts) {
  const auto num_templates = std::ssize(prompts.templates);
  return fmt::format("{} classes, '{}' to '{}', names from {}; {} {} from {}, the first '{}'",
                     with_thousands(std::ssize(prompts.class_names)), prompts.class_names.front(),
                     prompts.class_names.back(), prompts.names_from, num_templates,
                     num_templates == 1 ? "prompt" : "prompts", prompts.templates_from,
                     prompts.templates.front());
}

std::vector<std::string> load_class_names(const std::string& source) {
  std::vector<std::string> names;
  for (const Entry& entry : load_entries(source, "en_classnames.json")) {
    if (entry.text.empty()) {
      throw_user_error(
          "{}: the name is empty: the position of a name is the label of its class, so no line may be left out",
          entry.location);
    }
    names.push_back(entry.text);
  }
  if (names.empty()) throw_user_error("{} has no class names", source);
  return names;
}

std::vector<std::string> load_templates(const std::string& source) {
  std::vector<std::string> templates;
  for (const Entry& entry : load_entries(source, "en_zeroshot_classification_templates.json")) {
    if (entry.text.empty()) continue;
    require_valid_template(entry);
    templates.push_back(entry.text);
  }
  if (templates.empty()) throw_user_error("{} has no templates", source);
  return templates;
}

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

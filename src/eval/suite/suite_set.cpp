#include "cloob/eval/suite/suite_set.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/is_there.h"
#include "cloob/base/text.h"
#include "cloob/data/source_names.h"
#include "cloob/eval/probe/labeled_features.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool has_subfolders(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (is_folder(entry->path())) return true;
  }
  return false;
}

/// Paths of a suite start from its root; addresses and commands do not.
class Root {
 public:
  explicit Root(const std::optional<std::string>& root) : root_(root.value_or("")) {}

  std::string operator()(const std::string& path) const {
    if (root_.empty() || path.find("://") != path.npos || path.starts_with("pipe:")) return path;
    return (root_ / path).lexically_normal().string();
  }
  /// Of what may be the name of a list, too: only a file that exists. A folder may well have the name of a list.
  std::optional<std::string> file_or_name(const std::optional<std::string>& text) const {
    if (!text) return std::nullopt;
    const std::size_t suffix = text->rfind(".json:");
    const std::string file = suffix == text->npos ? *text : text->substr(0, suffix + 5);
    const std::string path = (*this)(file);
    return is_there(path) && !is_folder(path) ? (*this)(*text) : *text;
  }

 private:
  fs::path root_;
};

// What clip-benchmark's converter wrote about its folder: "retrieval", "multilabel", or nothing for classes.
std::string type_of_shards(const fs::path& root) {
  const fs::path file = root / "dataset_type.txt";
  return is_there(file) ? to_lower_ascii(trim(read_file(file))) : "";
}

// Folders of classes in the folder of a split, or shards.
bool is_split(const fs::path& folder) {
  return is_folder(folder) && (is_there(folder / "nshards.txt") || has_subfolders(folder));
}

// Those that `root` has, of the usual names: a class may be called "train", but has no subfolders then.
std::vector<std::string> splits_of(const fs::path& root) {
  std::vector<std::string> splits;
  for (const char* name : {"train", "training", "val", "valid", "validation", "test"}) {
    if (is_split(root / name)) splits.emplace_back(name);
  }
  return splits;
}

/// A setting that says which part of a data set is meant.
struct SplitSetting {
  std::string name;  ///< sets.NAME.split
  std::optional<std::string> value;
  std::string usual;
};

// A folder may have a folder of classes for each split, or shards of each, or neither if no split is asked for.
std::string folder_of_classes(const std::string& root, const SplitSetting& setting) {
  const fs::path folder = fs::path(root) / setting.value.value_or(setting.usual);
  if (is_there(folder / "nshards.txt") || is_published_set(root)) return root;
  if (is_split(folder)) return folder.string();
  const std::vector<std::string> splits = splits_of(root);
  if (!setting.value && splits.empty()) return root;
  throw_user_error("{0}: '{1}' has no split '{2}'; {3}", setting.name, root, folder.filename().string(),
                   splits.empty()
                       ? fmt::format("without splits, leave {} out", setting.name)
                       : fmt::format("it has {}: set {} to one of them", join(splits, ", "), setting.name));
}

// Beside the folders of the splits, for all of them.
std::optional<std::string> file_above(const std::string& root, const std::string& folder,
                                      const std::string& name) {
  const fs::path file = fs::path(root) / name;
  return root != folder && is_there(file) && !is_there(fs::path(folder) / name) ? std::optional(file.string())
                                                                                : std::nullopt;
}

std::shared_ptr<const Source> open_pairs(const SuiteSet& set) {
  DataConfig data = set.config.data;
  std::vector<std::string> names = {set.path};
  if (is_folder(set.path)) {
    // As clip-benchmark reads its own shards.
    data.webdataset.text = TextMember::lines;
    data.webdataset.image_members = {"webp", "png", "jpg", "jpeg"};
    const fs::path folder = fs::path(set.path) / set.split();
    const auto num_shards = std::ssize(numbered_shards(folder));
    names = {(folder / fmt::format("{{0..{}}}.tar", num_shards - 1)).string()};
  }
  data.val = names;
  return make_source(data, names, Purpose::evaluation);
}

std::int64_t most_shots(const SuiteSettings& eval) {
  return eval.shots.empty() ? 0 : std::ranges::max(eval.shots);
}

// As far as it is known before labels in shards are read.
void require_enough_to_learn_from(const SuiteSet& set, const SuiteSettings& eval) {
  const auto is_asked_for = [&](SuiteTask task) {
    return std::ranges::find(set.tasks, task) != set.tasks.end();
  };
  if (is_asked_for(SuiteTask::knn) && set.train->size() < eval.knn_k) {
    throw_user_error(
        "sets.{}.tasks: knn with eval.knn_k {} cannot learn from '{}', which has {}: set a smaller one, or "
        "leave knn out",
        set.name, eval.knn_k, set.train_path, counted(set.train->size(), "image"));
  }
  if (!is_asked_for(SuiteTask::few_shot) || set.train->class_folders().empty()) return;
  std::vector<std::int64_t> images(set.train->class_folders().size());
  for (std::int64_t image = 0; image < set.train->size(); ++image)
    ++images[static_cast<std::size_t>(set.train->label(image))];
  const auto fewest = std::ranges::min_element(images);
  if (*fewest >= most_shots(eval)) return;
  throw_user_error(
      "sets.{}.tasks: few_shot with eval.shots up to {} cannot learn from '{}', whose class '{}' has {}: set fewer, or "
      "leave few_shot out",
      set.name, most_shots(eval), set.train_path,
      set.train->class_folders()[static_cast<std::size_t>(fewest - images.begin())],
      counted(*fewest, "image"));
}

void open_classes(SuiteSet& set, const Root& root, const SuiteSettings& eval) {
  const std::int64_t threads = set.config.data.threads;
  const std::string folder = folder_of_classes(
      set.path,
      {.name = fmt::format("sets.{}.split", set.name), .value = set.config.split, .usual = set.split()});
  set.test_path = folder;
  set.classes = open_labeled_source(folder, set.split(), threads);
  auto class_names = root.file_or_name(set.config.class_names);
  auto templates = root.file_or_name(set.config.templates);
  if (!class_names) class_names = file_above(set.path, folder, "classnames.txt");
  if (!templates) templates = file_above(set.path, folder, "templates.txt");
  set.prompts = zero_shot_prompts(*set.classes, class_names, templates);
  if (std::ranges::none_of(set.tasks, needs_training)) return;
  const std::string train = set.config.train ? root(*set.config.train) : set.path;
  const std::string train_folder =
      folder_of_classes(train, {.name = fmt::format("sets.{}.train_split", set.name),
                                .value = set.config.train_split,
                                .usual = set.train_split()});
  if (are_same_images(train_folder, set.train_split(), folder, set.split())) {
    throw_user_error(
        "sets.{0}: the images to learn from would be those to evaluate on, '{1}': set sets.{0}.train, or have folders "
        "'{2}' and '{3}' in it",
        set.name, folder, set.split(), set.train_split());
  }
  set.train_path = train_folder;
  set.train = open_labeled_source(train_folder, set.train_split(), threads);
  set.train_names = class_names_of(*set.train);
  set.train_class = match_classes(set.train_names, class_names_of(*set.classes), train_folder, folder);
  if (set.prompts.class_names.size() != set.train_class.size()) {
    throw_user_error(
        "sets.{}: {} has {} class names, but the data has {} classes, by which images to learn from are "
        "matched",
        set.name, set.prompts.names_from, set.prompts.class_names.size(), set.train_class.size());
  }
  require_enough_to_learn_from(set, eval);
}

void require_fitting_tasks(const SuiteSet& set) {
  const bool has_captions = set.pairs != nullptr;
  for (const SuiteTask task : set.tasks) {
    if ((task == SuiteTask::retrieval) == has_captions) continue;
    throw_user_error(
        "sets.{}.tasks: '{}' has {}, so it can have no {}", set.name, set.path,
        has_captions ? "captions and no classes: it is for retrieval" : "classes and no captions",
        enum_name(task));
  }
}

}  // namespace

FeatureStage SuiteSet::stage_of(SuiteTask task) const {
  return config.features.value_or(task == SuiteTask::knn ? FeatureStage::unit : FeatureStage::tower);
}

bool needs_training(SuiteTask task) { return task != SuiteTask::zero_shot && task != SuiteTask::retrieval; }

SuiteSet open_suite_set(const std::string& name, const SuiteSetConfig& config, const SuiteSettings& eval,
                        std::int64_t threads) {
  const Root root(eval.root);
  SuiteSet set{.name = name, .config = config, .tasks = config.tasks, .path = root(config.path)};
  if (!set.config.features) set.config.features = eval.features;
  if (!set.config.max_samples) set.config.max_samples = eval.max_samples;
  if (set.config.data.image_root) set.config.data.image_root = root(*set.config.data.image_root);
  if (set.config.data.threads == 0) set.config.data.threads = threads;
  const bool is_class_folder = is_folder(set.path) && type_of_shards(set.path) != "retrieval";
  if (is_class_folder && type_of_shards(set.path) == "multilabel")
    throw_user_error("sets.{}: '{}' has several labels for an image, which is not supported", name, set.path);
  if (!is_class_folder && !is_folder(set.path) && !format_by_name(set.path) &&
      set.config.data.format == DataFormat::auto_) {
    throw_user_error("sets.{}.path: '{}' does not exist{}", name, set.path,
                     eval.root ? "" : "; paths start from eval.root, which is not set");
  }
  if (set.tasks.empty()) set.tasks = {is_class_folder ? SuiteTask::zero_shot : SuiteTask::retrieval};
  if (is_class_folder) {
    open_classes(set, root, eval);
  } else {
    set.test_path = set.path;
    set.pairs = open_pairs(set);
  }
  require_fitting_tasks(set);
  return set;
}

std::string describe(const SuiteSet& set) {
  std::vector<std::string> tasks;
  for (const SuiteTask task : set.tasks) tasks.emplace_back(enum_name(task));
  const std::string images = counted(set.source().size(), "image");
  const std::string what = set.classes ? describe(set.prompts) : "with captions";
  return fmt::format("{}: {} for {}; {}", set.name, images, join(tasks, ", "), what);
}

}  // namespace cloob

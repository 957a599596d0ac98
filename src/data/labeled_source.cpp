#include "cloob/data/labeled_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/image_files.h"
#include "cloob/data/image_suffixes.h"
#include "cloob/data/source_names.h"
#include "data/published_sets.h"
#include "data/tar/shard_reader.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 32;
constexpr const char* kTemplates = "zeroshot_classification_templates.txt";

struct Entries {
  std::vector<fs::path> folders, files;
};

// Sorted, without hidden entries.
Entries entries_of(const fs::path& folder) {
  Entries entries;
  std::error_code error, ignored;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with('.')) continue;
    (entry->is_directory(ignored) ? entries.folders : entries.files).push_back(entry->path());
  }
  if (error) throw_user_error("cannot read the folder '{}': {}", folder.string(), error.message());
  std::ranges::sort(entries.folders);
  std::ranges::sort(entries.files);
  return entries;
}

// At most a few of the names.
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMax = 5;
  if (names.size() <= kMax) return join(names, ", ");
  return fmt::format("{} and {} more", join(std::span(names).first(kMax), ", "), names.size() - kMax);
}

std::optional<fs::path> if_exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error) ? std::optional(path) : std::nullopt;
}

// Numbers in the order of their values, as users number the names that belong to them.
struct FoundClass {
  fs::path folder;
  std::vector<fs::path> images;
};

void sort_by_number_if_all_are(std::vector<FoundClass>& classes) {
  const auto number = [](const FoundClass& found) { return parse_integer(found.folder.filename().string()); };
  if (!std::ranges::all_of(classes, [&](const FoundClass& found) { return number(found).has_value(); }))
    return;
  std::ranges::stable_sort(classes, {}, [&](const FoundClass& found) { return *number(found); });
}

class FolderSource final : public LabeledSource {
 public:
  explicit FolderSource(const fs::path& root) : root_(root) {
    const Entries entries = entries_of(root);
    add_classes(entries.folders);
    require_images();
    require_classes();
    warn_of_left_out(std::ranges::count_if(entries.files, has_image_name));
  }

  std::int64_t size() const override { return std::ssize(files_); }
  RawSample read(std::int64_t index) const override {
    return {describe(index), read_image_file(file(index).path), {}};
  }
  std::string describe(std::int64_t index) const override { return file(index).path.string(); }
  std::int64_t label(std::int64_t index) const override { return file(index).label; }
  const std::vector<std::string>& class_folders() const override { return class_folders_; }
  std::optional<fs::path> names_file() const override { return if_exists(root_ / "classnames.txt"); }
  std::optional<fs::path> templates_file() const override { return if_exists(root_ / "templates.txt"); }
  std::optional<fs::path> seen_names_file() const override { return if_exists(root_ / "seen_names.txt"); }

 private:
  struct File {
    fs::path path;
    std::int64_t label;
  };

  // Folders without images, such as __MACOSX, are no classes, so that they do not count for the order either.
  void add_classes(const std::vector<fs::path>& folders) {
    std::vector<FoundClass> classes;
    for (const fs::path& folder : folders) {
      FoundClass found{folder, {}};
      add_images(folder, 0, found.images);
      if (found.images.empty()) {
        empty_folders_.push_back(folder.filename().string());
      } else {
        classes.push_back(std::move(found));
      }
    }
    sort_by_number_if_all_are(classes);
    for (const FoundClass& found : classes) {
      for (const fs::path& path : found.images) files_.push_back({path, std::ssize(class_folders_)});
      class_folders_.push_back(found.folder.filename().string());
    }
  }
  void add_images(const fs::path& folder, int depth, std::vector<fs::path>& images) {
    if (depth > kMaxDepth) {
      throw_user_error("'{}' is more than {} folders deep: is there a link to a folder above it?",
                       folder.string(), kMaxDepth);
    }
    const Entries entries = entries_of(folder);
    for (const fs::path& path : entries.files) {
      if (has_image_name(path)) {
        images.push_back(path);
      } else {
        undecoded_.add(path);
      }
    }
    for (const fs::path& path : entries.folders) add_images(path, depth + 1, images);
  }

  void require_images() const {
    if (!files_.empty()) return;
    if (!undecoded_.empty()) {
      throw_user_error("'{}' has no images that can be decoded, only {}: convert them to PNG or JPEG",
                       root_.string(), undecoded_.describe());
    }
    if (has_pairs()) {
      throw_user_error(
          "'{}' has tables or tar shards but no class folders: 'cloob eval retrieval' evaluates on pairs of images "
          "and captions",
          root_.string());
    }
    throw_user_error(
        "'{}' has no images: expected one folder per class with {} files, or clip-benchmark's layout "
        "(classnames.txt, SPLIT/nshards.txt, SPLIT/0.tar)",
        root_.string(), kImageExtensions);
  }
  bool has_pairs() const {
    return std::ranges::any_of(entries_of(root_).files, [](const fs::path& file) {
      return format_by_name(file.native()).has_value();
    });
  }
  // A folder above the class folders.
  void require_classes() const {
    constexpr std::array<std::string_view, 6> kSplits = {"train", "training",   "val",
                                                         "valid", "validation", "test"};
    const auto is_split = [&](const std::string& name) {
      return std::ranges::find(kSplits, to_lower_ascii(name)) != kSplits.end();
    };
    if (!std::ranges::all_of(class_folders_, is_split)) return;
    throw_user_error("'{}' has no class folders but {}: choose one of them, for example '{}'", root_.string(),
                     join(class_folders_, ", "), (root_ / class_folders_.back()).string());
  }
  void warn_of_left_out(std::int64_t num_images) const {
    const std::string root = root_.string();
    if (!undecoded_.empty()) {
      log_warning("eval",
                  "'{}': left out are files of types that are not decoded: {}; convert them to PNG or JPEG",
                  root, undecoded_.describe());
    }
    if (!empty_folders_.empty()) {
      log_warning("eval", "'{}': folders without images are not classes: {}", root, some_of(empty_folders_));
    }
    if (num_images > 0)
      log_warning("eval", "'{}': left out are {} images outside of the class folders", root, num_images);
  }
  const File& file(std::int64_t index) const { return files_.at(static_cast<std::size_t>(index)); }

  fs::path root_;
  std::vector<File> files_;
  std::vector<std::string> class_folders_, empty_folders_;
  UndecodedFiles undecoded_;
};

// In the order of clip-benchmark, if a sample has images of several types, then the others that are decoded.
const std::vector<std::string>& image_suffixes() {
  static const std::vector<std::string> suffixes = [] {
    std::vector<std::string> all = {"webp", "png", "jpg", "jpeg"};
    for (const std::string_view suffix : kImageSuffixes) {
      if (std::ranges::find(all, suffix) == all.end()) all.emplace_back(suffix);
    }
    return all;
  }();
  return suffixes;
}

class ClipBenchmarkSource final : public LabeledSource {
 public:
  ClipBenchmarkSource(const fs::path& root, const std::string& split, std::int64_t threads)
      : root_(root),
        reader_(numbered_shards(root / split), {image_suffixes(), {"cls"}, "labels are .cls members"},
                {.threads = threads, .folder = {}, .progress = {}}) {}

  std::int64_t size() const override { return reader_.size(); }
  RawSample read(std::int64_t index) const override {
    ShardSample sample = reader_.read(index, image_suffixes());
    auto image = sample.take_first(image_suffixes());
    if (!image) throw BadSample(BadKind::no_image, sample.describe_members());
    return {std::move(sample.key), *std::move(image), {}};
  }
  std::string describe(std::int64_t index) const override { return reader_.describe(index); }
  std::int64_t label(std::int64_t index) const override {
    ShardSample sample = reader_.read(index, {"cls"});
    const auto member = sample.take_first({"cls"});
    if (!member) throw_user_error("{} has no label: {}", describe(index), sample.describe_members());
    const std::string_view text(reinterpret_cast<const char*>(member->data()), member->size());
    const auto label = parse_integer(trim(text));
    if (!label || *label < 0)
      throw_user_error("{} has the label '{}': labels are integers from 0", describe(index), trim(text));
    return *label;
  }
  const std::vector<std::string>& class_folders() const override { return no_folders_; }
  std::optional<fs::path> names_file() const override { return root_ / "classnames.txt"; }
  std::optional<fs::path> templates_file() const override { return if_exists(root_ / kTemplates); }

 private:
  fs::path root_;
  std::vector<std::string> no_folders_;
  ShardReader reader_;
};

}  // namespace

std::vector<fs::path> numbered_shards(const fs::path& folder) {
  const fs::path count_file = folder / "nshards.txt";
  const auto count = parse_integer(trim(read_file(count_file)));
  constexpr std::int64_t kMax = 1'000'000;
  if (!count || *count < 1 || *count > kMax)
    throw_user_error("'{}' must hold the number of shards, from 1 to {}", count_file.string(), kMax);
  std::vector<fs::path> shards;
  for (std::int64_t number = 0; number < *count; ++number) {
    shards.push_back(folder / fmt::format("{}.tar", number));
  }
  return shards;
}

bool is_published_set(const fs::path& root) { return find_published_layout(root).has_value(); }

bool lists_splits(const fs::path& root) {
  const auto layout = find_published_layout(root);
  return layout && layout->kind == PublishedLayout::Kind::cub;
}

fs::path images_of_split(const fs::path& root, const std::string& split) {
  if (const auto layout = find_published_layout(root)) return images_of_published(*layout, split);
  std::error_code ignored;
  return fs::exists(root / split / "nshards.txt", ignored) ? root / split : root;
}

std::shared_ptr<const LabeledSource> open_labeled_source(const fs::path& root, const std::string& split,
                                                         std::int64_t threads) {
  std::error_code error;
  if (!fs::is_directory(root, error)) {
    if (format_by_name(root.native()) || expand_braces(root.native()).size() > 1) {
      throw_user_error(
          "'{0}' holds pairs of images and captions, which have no classes: 'cloob eval retrieval --data {0}' "
          "evaluates on them, zero-shot classification needs one folder of images per class",
          root.string());
    }
    throw_user_error("'{}' is not a folder", root.string());
  }
  if (const auto layout = find_published_layout(root)) return open_published_set(*layout, split);
  reject_part_of_published(root);
  if (images_of_split(root, split) != root) {
    return std::make_shared<ClipBenchmarkSource>(root, split, resolve_threads(threads));
  }
  if (fs::exists(root / kTemplates, error)) {
    throw_user_error("'{}' does not exist: choose a split that '{}' has",
                     (root / split / "nshards.txt").string(), root.string());
  }
  return std::make_shared<FolderSource>(root);
}

}  // namespace cloob

#include "cloob/data/labeled_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/image_files.h"
#include "data/tar/shard_reader.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

struct ClassList {
  std::vector<std::string> names;
  std::vector<std::string> templates;
};

// Without hidden entries.
std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (!entry->path().filename().string().starts_with('.')) entries.push_back(entry->path());
  }
  if (error) throw_user_error("cannot read the folder '{}': {}", folder.string(), error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::vector<std::string> read_lines_if_exists(const fs::path& path) {
  return fs::exists(path) ? read_nonempty_lines(path) : std::vector<std::string>();
}

class FolderSource final : public LabeledSource {
 public:
  explicit FolderSource(const fs::path& root) {
    for (const auto& folder : sorted_entries(root)) {
      if (fs::is_directory(folder)) add_class(folder);
    }
    if (files_.empty()) {
      throw_user_error(
          "'{}' has no images: expected one folder per class with .jpg, .jpeg, .png or .webp files, or "
          "clip-benchmark's layout (classnames.txt, SPLIT/nshards.txt, SPLIT/0.tar)",
          root.string());
    }
    classes_.templates = read_lines_if_exists(root / "templates.txt");
    auto names = read_lines_if_exists(root / "classnames.txt");
    if (names.empty()) return;
    if (names.size() != classes_.names.size()) {
      throw_user_error(
          "'{}' names {} classes, but there are {} folders: it needs one line per folder, in the order of "
          "the folder names",
          (root / "classnames.txt").string(), names.size(), classes_.names.size());
    }
    classes_.names = std::move(names);
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  RawSample read(std::int64_t index) const override {
    return {describe(index), read_image_file(file(index).path), {}};
  }
  std::string describe(std::int64_t index) const override { return file(index).path.string(); }
  std::int64_t label(std::int64_t index) const override { return file(index).label; }
  const std::vector<std::string>& class_names() const override { return classes_.names; }
  const std::vector<std::string>& templates() const override { return classes_.templates; }

 private:
  struct File {
    fs::path path;
    std::int64_t label;
  };

  void add_class(const fs::path& folder) {
    const auto label = static_cast<std::int64_t>(classes_.names.size());
    for (const auto& path : sorted_entries(folder)) {
      if (has_image_name(path)) files_.push_back({path, label});
    }
    std::string name = folder.filename().string();
    std::replace(name.begin(), name.end(), '_', ' ');
    classes_.names.push_back(std::move(name));
  }
  const File& file(std::int64_t index) const { return files_.at(static_cast<std::size_t>(index)); }

  std::vector<File> files_;
  ClassList classes_;
};

const std::vector<std::string>& image_suffixes() {
  static const std::vector<std::string> suffixes = {"webp", "png", "jpg", "jpeg"};
  return suffixes;
}

std::vector<fs::path> list_numbered_shards(const fs::path& folder) {
  const fs::path count_file = folder / "nshards.txt";
  const auto count = parse_integer(trim(read_file(count_file)));
  if (!count || *count < 1) throw_user_error("'{}' must hold the number of shards", count_file.string());
  std::vector<fs::path> shards;
  for (std::int64_t number = 0; number < *count; ++number) {
    shards.push_back(folder / fmt::format("{}.tar", number));
  }
  return shards;
}

class ClipBenchmarkSource final : public LabeledSource {
 public:
  ClipBenchmarkSource(const fs::path& root, const std::string& split, std::int64_t threads)
      : classes_{read_nonempty_lines(root / "classnames.txt"),
                 read_lines_if_exists(root / "zeroshot_classification_templates.txt")},
        reader_(list_numbered_shards(root / split), {image_suffixes(), {"cls"}, "labels are .cls members"},
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
    const auto num_classes = static_cast<std::int64_t>(classes_.names.size());
    if (!label || *label < 0 || *label >= num_classes) {
      throw_user_error(
          "{} has the label '{}': labels are integers from 0 to {}, one per line of classnames.txt",
          describe(index), trim(text), num_classes - 1);
    }
    return *label;
  }
  const std::vector<std::string>& class_names() const override { return classes_.names; }
  const std::vector<std::string>& templates() const override { return classes_.templates; }

 private:
  ClassList classes_;
  ShardReader reader_;
};

}  // namespace

std::shared_ptr<const LabeledSource> open_labeled_source(const fs::path& root, const std::string& split,
                                                         std::int64_t threads) {
  std::error_code error;
  if (!fs::is_directory(root, error)) throw_user_error("'{}' is not a folder", root.string());
  if (fs::exists(root / split / "nshards.txt", error)) {
    return std::make_shared<ClipBenchmarkSource>(root, split, resolve_threads(threads));
  }
  if (fs::exists(root / "zeroshot_classification_templates.txt", error)) {
    throw_user_error("'{}' does not exist: choose a split that '{}' has",
                     (root / split / "nshards.txt").string(), root.string());
  }
  return std::make_shared<FolderSource>(root);
}

}  // namespace cloob

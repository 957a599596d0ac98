#include "data/published_sets.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/is_there.h"
#include "cloob/base/text.h"
#include "cloob/data/image_files.h"
#include "data/mat_file.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCubLabels = "image_class_labels.txt";
constexpr const char* kCubSplit = "train_test_split.txt";
constexpr const char* kCarsTest = "cars_test_annos_withlabels.mat";

struct LabeledFile {
  fs::path path;
  std::int64_t label = 0;
};

class PublishedSource final : public LabeledSource {
 public:
  PublishedSource(std::vector<LabeledFile> files, std::vector<std::string> class_folders, PublishedSet set)
      : files_(std::move(files)), class_folders_(std::move(class_folders)), set_(std::move(set)) {}

  std::int64_t size() const override { return std::ssize(files_); }
  RawSample read(std::int64_t index) const override {
    return {describe(index), read_image_file(file(index).path), {}};
  }
  std::string key(std::int64_t index) const override { return describe(index); }
  std::string describe(std::int64_t index) const override { return file(index).path.string(); }
  std::int64_t label(std::int64_t index) const override { return file(index).label; }
  const std::vector<std::string>& class_folders() const override { return class_folders_; }
  std::optional<fs::path> names_file() const override { return std::nullopt; }
  std::optional<fs::path> templates_file() const override { return std::nullopt; }
  std::optional<PublishedSet> published_set() const override { return set_; }

 private:
  const LabeledFile& file(std::int64_t index) const { return files_.at(static_cast<std::size_t>(index)); }

  std::vector<LabeledFile> files_;
  std::vector<std::string> class_folders_;
  PublishedSet set_;
};

bool is_train(const std::string& split, const fs::path& folder) {
  if (split == "train") return true;
  if (split == "test") return false;
  throw_user_error("'{}' has no split '{}': it has train and test", folder.string(), split);
}

// A name in a list leads to no other folder.
void require_name_within(const std::string& name, const std::string& where) {
  const fs::path path = name;
  const bool leaves = path.is_absolute() || std::ranges::find(path, fs::path("..")) != path.end();
  if (name.empty() || leaves)
    throw_user_error("{}: '{}' is not the name of an image in the folder", where, without_controls(name));
}

void require_images(const fs::path& folder, const fs::path& list) {
  if (!is_there(folder))
    throw_user_error("'{}' lists images, but the folder '{}' does not exist", list.string(), folder.string());
}

// ---- CUB-200-2011 ----

// The lines of a list, "NUMBER TEXT", by number: 1, 2, ... in any order.
std::vector<std::string> read_numbered(const fs::path& file) {
  const std::vector<std::string> lines = read_lines(file);
  std::vector<std::string> texts(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = trim(lines[i]);
    const std::size_t space = line.find(' ');
    const auto number = parse_integer(line.substr(0, space));
    const auto where = [&] { return fmt::format("{}:{}", file.string(), i + 1); };
    if (!number || space == line.npos)
      throw_user_error("{}: expected a number and a text, found '{}'", where(), without_controls(line));
    if (*number < 1 || *number > std::ssize(lines))
      throw_user_error("{}: the number {} is not one of 1 to {}, the number of lines", where(), *number,
                       lines.size());
    std::string& text = texts[static_cast<std::size_t>(*number - 1)];
    if (!text.empty()) throw_user_error("{}: the number {} is there twice", where(), *number);
    text = trim(line.substr(space));
  }
  if (texts.empty()) throw_user_error("'{}' is empty", file.string());
  return texts;
}

std::vector<std::string> read_numbered(const fs::path& file, std::size_t count) {
  std::vector<std::string> texts = read_numbered(file);
  if (texts.size() != count)
    throw_user_error("'{}' has {}, but images.txt has {}: one of them is incomplete", file.string(),
                     counted(std::ssize(texts), "line"), with_thousands(static_cast<std::int64_t>(count)));
  return texts;
}

// "001.Black_footed_Albatross" -> "Black footed Albatross"
std::string bird_of(const std::string& folder) {
  const std::size_t point = folder.find('.');
  std::string name = folder;
  if (point != folder.npos && parse_integer(folder.substr(0, point))) name = folder.substr(point + 1);
  std::ranges::replace(name, '_', ' ');
  return name;
}

std::shared_ptr<const LabeledSource> open_cub(const fs::path& folder, const std::string& split) {
  const bool wants_train = is_train(split, folder);
  const std::vector<std::string> images = read_numbered(folder / "images.txt");
  const auto labels = read_numbered(folder / kCubLabels, images.size());
  const auto in_train = read_numbered(folder / kCubSplit, images.size());
  std::vector<std::string> classes = read_numbered(folder / "classes.txt");
  require_images(folder / "images", folder / "images.txt");
  std::vector<LabeledFile> files;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto fail = [&](const char* file, const std::string& what) {
      throw_user_error("'{}': image {} has {}", (folder / file).string(), i + 1, what);
    };
    const auto label = parse_integer(labels[i]);
    if (!label || *label < 1 || *label > std::ssize(classes))
      fail(kCubLabels,
           fmt::format("the class '{}', expected 1 to {}", without_controls(labels[i]), classes.size()));
    if (in_train[i] != "0" && in_train[i] != "1")
      fail(kCubSplit, fmt::format("'{}', expected 0 (test) or 1 (train)", without_controls(in_train[i])));
    require_name_within(images[i], (folder / "images.txt").string());
    const std::string& class_folder = classes[static_cast<std::size_t>(*label - 1)];
    if (fs::path(images[i]).begin()->string() != class_folder)
      fail(kCubLabels, fmt::format("the class '{}', but lies in '{}': the lists do not belong together",
                                   without_controls(class_folder), without_controls(images[i])));
    if ((in_train[i] == "1") == wants_train) files.push_back({folder / "images" / images[i], *label - 1});
  }
  if (files.empty())
    throw_user_error("'{}' has no images of the split '{}'", (folder / kCubSplit).string(), split);
  std::vector<std::string> names;
  for (const std::string& name : classes) names.push_back(bird_of(name));
  return std::make_shared<PublishedSource>(
      std::move(files), std::move(classes),
      PublishedSet{
          .name = "cub", .class_names = std::move(names), .names_from = (folder / "classes.txt").string()});
}

// ---- Stanford Cars ----

const MatArray& array_of(const std::map<std::string, MatArray>& arrays, const std::string& name,
                         MatArray::Kind kind, const fs::path& file) {
  const auto found = arrays.find(name);
  if (found == arrays.end() || found->second.kind != kind)
    throw_user_error("'{}' has no list '{}' as that of Stanford Cars: is it another file?", file.string(),
                     name);
  return found->second;
}

std::vector<std::string> read_car_names(const fs::path& file) {
  const auto arrays = read_mat_file(file);
  std::vector<std::string> names;
  for (const MatArray& item : array_of(arrays, "class_names", MatArray::Kind::cells, file).items) {
    if (item.kind != MatArray::Kind::text || trim(item.text).empty())
      throw_user_error("'{}': the name of class {} is no text", file.string(), names.size() + 1);
    names.emplace_back(trim(item.text));
  }
  if (names.empty()) throw_user_error("'{}' has no class names", file.string());
  return names;
}

std::vector<LabeledFile> read_car_list(const fs::path& file, const fs::path& images,
                                       std::int64_t num_classes) {
  const auto arrays = read_mat_file(file);
  const MatArray& list = array_of(arrays, "annotations", MatArray::Kind::structs, file);
  const auto field = [&](const char* name) {
    const auto found = std::ranges::find(list.field_names, name);
    if (found == list.field_names.end()) {
      throw_user_error("'{}' has no field '{}'{}", file.string(), name,
                       std::string_view(name) == "class"
                           ? ": the list with labels is cars_test_annos_withlabels.mat"
                           : "");
    }
    return static_cast<std::size_t>(found - list.field_names.begin());
  };
  const std::size_t num_fields = list.field_names.size(), class_field = field("class"),
                    name_field = field("fname");
  std::vector<LabeledFile> files;
  for (std::size_t i = 0; i < static_cast<std::size_t>(list.count); ++i) {
    const MatArray& label = list.items[i * num_fields + class_field];
    const MatArray& name = list.items[i * num_fields + name_field];
    const auto where = [&] { return fmt::format("'{}', image {}", file.string(), i + 1); };
    if (name.kind != MatArray::Kind::text) throw_user_error("{}: the name is no text", where());
    require_name_within(name.text, where());
    const double number = label.numbers.size() == 1 ? label.numbers.front() : 0.0;
    if (!(number >= 1 && number <= static_cast<double>(num_classes) && number == std::floor(number)))
      throw_user_error(
          "{}: the class is not a whole number from 1 to {}, the number of names in cars_meta.mat", where(),
          num_classes);
    files.push_back({images / name.text, static_cast<std::int64_t>(number) - 1});
  }
  if (files.empty()) throw_user_error("'{}' lists no images", file.string());
  return files;
}

fs::path car_images(const fs::path& folder, bool train) {
  return folder / (train ? "cars_train" : "cars_test");
}

std::shared_ptr<const LabeledSource> open_cars(const fs::path& folder, const std::string& split) {
  const bool train = is_train(split, folder);
  const fs::path devkit = folder / "devkit", meta = devkit / "cars_meta.mat";
  fs::path list = train ? devkit / "cars_train_annos.mat" : folder / kCarsTest;
  if (!train && !is_there(list)) list = devkit / kCarsTest;
  if (!is_there(list)) {
    throw_user_error("'{}' has no {}, the list of the images of the split '{}' with their classes",
                     folder.string(), list.filename().string(), split);
  }
  const fs::path images = car_images(folder, train);
  require_images(images, list);
  std::vector<std::string> names = read_car_names(meta);
  std::vector<LabeledFile> files = read_car_list(list, images, std::ssize(names));
  return std::make_shared<PublishedSource>(
      std::move(files), names,
      PublishedSet{.name = "cars", .class_names = names, .names_from = meta.string()});
}

// ---- which one ----

std::optional<PublishedLayout::Kind> kind_of(const fs::path& folder) {
  if (is_there(folder / kCubSplit) || is_there(folder / kCubLabels)) return PublishedLayout::Kind::cub;
  if (is_there(folder / "devkit" / "cars_meta.mat")) return PublishedLayout::Kind::cars;
  return std::nullopt;
}

}  // namespace

std::optional<PublishedLayout> find_published_layout(const fs::path& root) {
  if (const auto kind = kind_of(root)) return PublishedLayout{*kind, root};
  std::optional<PublishedLayout> found;
  for (const fs::path& folder : {root / "CUB_200_2011", root / "stanford_cars"}) {
    const auto kind = kind_of(folder);
    if (kind && found)
      throw_user_error("'{}' has two data sets in it: give the folder of one, '{}' or '{}'", root.string(),
                       found->folder.string(), folder.string());
    if (kind) found = {*kind, folder};
  }
  return found;
}

void reject_part_of_published(const fs::path& root) {
  std::error_code ignored;
  const fs::path folder = fs::weakly_canonical(root, ignored);
  const std::string name = folder.filename().string();
  const auto kind = kind_of(folder.parent_path());
  const bool is_part = (kind == PublishedLayout::Kind::cub && name == "images") ||
                       (kind == PublishedLayout::Kind::cars && (name == "cars_train" || name == "cars_test"));
  if (is_part)
    throw_user_error("'{}' is a part of a data set: give the folder '{}', which says what is for testing",
                     root.string(), folder.parent_path().string());
}

fs::path images_of_published(const PublishedLayout& layout, const std::string& split) {
  if (layout.kind == PublishedLayout::Kind::cub) return layout.folder / "images";
  return car_images(layout.folder, split == "train");
}

std::shared_ptr<const LabeledSource> open_published_set(const PublishedLayout& layout,
                                                        const std::string& split) {
  return layout.kind == PublishedLayout::Kind::cub ? open_cub(layout.folder, split)
                                                   : open_cars(layout.folder, split);
}

}  // namespace cloob

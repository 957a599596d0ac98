// Images with class labels, for zero-shot classification.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloob/data/source.h"

namespace cloob {

/// A source of images with class labels and without captions. Thread-safe.
class LabeledSource : public Source {
 public:
  /// The class of the sample, counted from 0. Throws UserError if the data has none.
  virtual std::int64_t label(std::int64_t index) const = 0;
  /// The folder name of each class; empty if the data has only numbers.
  virtual const std::vector<std::string>& class_folders() const = 0;
  /// The file in the data set with the name of each class, one per line; nullopt if there is none.
  virtual std::optional<std::filesystem::path> names_file() const = 0;
  /// The file in the data set with prompt templates, one per line; nullopt if there is none.
  virtual std::optional<std::filesystem::path> templates_file() const = 0;
};

/// Opens a folder of either layout:
/// - one folder per class, `root/CLASS/.../IMAGE`, and optionally `root/classnames.txt` and
///   `root/templates.txt`. Classes are sorted by folder name; by number if all names are numbers. A folder
///   without images is not a class. Hidden files and folders are ignored. Logs warnings about what is left out.
/// - clip-benchmark: `root/classnames.txt`, `root/zeroshot_classification_templates.txt`,
///   `root/SPLIT/nshards.txt` and shards `root/SPLIT/0.tar` ... with images and `.cls` labels.
///
/// `split` is used for the second layout only. Throws UserError.
std::shared_ptr<const LabeledSource> open_labeled_source(const std::filesystem::path& root,
                                                         const std::string& split, std::int64_t threads);

/// Where the images of a split are: shards have a folder for each split, folders of classes do not.
std::filesystem::path images_of_split(const std::filesystem::path& root, const std::string& split);

/// The shards of one split of a clip-benchmark folder, `folder/0.tar` and so on, as many as `folder/nshards.txt` says. Throws
/// UserError.
std::vector<std::filesystem::path> numbered_shards(const std::filesystem::path& folder);

}  // namespace cloob

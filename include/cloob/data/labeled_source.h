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

/// A data set that is known by the layout of its folder.
struct PublishedSet {
  std::string name;                      ///< as in clip-benchmark: "cars", "cub"
  std::vector<std::string> class_names;  ///< by label
  std::string names_from;                ///< the file that has them
};

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
  /// The file in the data set with the names of the classes that training had, one per line; nullopt if there is none.
  virtual std::optional<std::filesystem::path> seen_names_file() const { return std::nullopt; }
  /// Which one it is, if it is one of those with a layout of their own.
  virtual std::optional<PublishedSet> published_set() const { return std::nullopt; }
};

/// Opens a folder of one of these layouts:
/// - one folder per class, `root/CLASS/.../IMAGE`, and optionally `root/classnames.txt`,
///   `root/templates.txt` and `root/seen_names.txt`. Classes are sorted by folder name; by number if all names are numbers. A folder
///   without images is not a class. Hidden files and folders are ignored. Logs warnings about what is left out.
/// - clip-benchmark: `root/classnames.txt`, `root/zeroshot_classification_templates.txt`,
///   `root/SPLIT/nshards.txt` and shards `root/SPLIT/0.tar` ... with images and `.cls` labels.
/// - CUB-200-2011 and Stanford Cars as they were published (published_sets.h in src/data); `root` is their folder, or the one
///   that has it. Their splits are "train" and "test".
///
/// `split` is not used for the first layout. Throws UserError.
std::shared_ptr<const LabeledSource> open_labeled_source(const std::filesystem::path& root,
                                                         const std::string& split, std::int64_t threads);

/// Where the images of a split are: shards and Stanford Cars have a folder for each split, the others do not.
std::filesystem::path images_of_split(const std::filesystem::path& root, const std::string& split);

/// Whether a folder is one of the published sets, or has it.
bool is_published_set(const std::filesystem::path& root);

/// Whether it is one whose images of all splits are in one folder, and a list says which is in which.
bool lists_splits(const std::filesystem::path& root);

/// The shards of one split of a clip-benchmark folder, `folder/0.tar` and so on, as many as `folder/nshards.txt` says. Throws
/// UserError.
std::vector<std::filesystem::path> numbered_shards(const std::filesystem::path& folder);

}  // namespace cloob

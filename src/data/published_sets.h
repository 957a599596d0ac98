// Fine-grained data sets in the folders in which they were published:
//
// - CUB-200-2011: `images.txt`, `image_class_labels.txt`, `train_test_split.txt`, `classes.txt` and `images/CLASS/IMAGE.jpg`;
// - Stanford Cars: `devkit/cars_meta.mat`, `devkit/cars_train_annos.mat`, `cars_test_annos_withlabels.mat` (also in `devkit`),
//   `cars_train/IMAGE.jpg` and `cars_test/IMAGE.jpg`.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "cloob/data/labeled_source.h"

namespace cloob {

struct PublishedLayout {
  enum class Kind { cub, cars };
  Kind kind;
  std::filesystem::path folder;
};

/// Of `root`, or of the folder in it that the archive or torchvision calls so: `CUB_200_2011`, `stanford_cars`. Throws UserError if
/// both are in it.
std::optional<PublishedLayout> find_published_layout(const std::filesystem::path& root);

/// Throws a UserError for the folder of images within such a layout, which does not say which images are for testing.
void reject_part_of_published(const std::filesystem::path& root);

std::filesystem::path images_of_published(const PublishedLayout& layout, const std::string& split);

/// `split` is "train" or "test". Throws UserError.
std::shared_ptr<const LabeledSource> open_published_set(const PublishedLayout& layout,
                                                        const std::string& split);

}  // namespace cloob

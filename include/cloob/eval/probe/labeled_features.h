// Features of images with classes, from which probes are trained and on which they are tested.
//
// Shapes: B rows of a part, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/data/labeled_source.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/model/feature_stage.h"

namespace cloob {

/// Images of one part of an evaluation (see PairFeatures) with their classes. What is computed part by part has the same bits for
/// any number of ranks.
struct LabeledPart {
  at::Tensor features_BD;            ///< float32
  std::vector<std::int64_t> labels;  ///< the class of each row, from 0
};

/// The name of each class: its folder, or its line in the names file of a clip-benchmark folder. Throws UserError.
std::vector<std::string> class_names_of(const LabeledSource& source);

/// For each class of `test`, the class of that name in `train`. `train_path` and `test_path` are for messages. Throws UserError if
/// the two do not have the same classes.
std::vector<std::int64_t> match_classes(const std::vector<std::string>& train,
                                        const std::vector<std::string>& test, const std::string& train_path,
                                        const std::string& test_path);

/// Whether two data sets that open_labeled_source opens are the same, by whatever paths: a probe must not be tested on what it has
/// learned from.
bool are_same_images(const std::filesystem::path& root, const std::string& split,
                     const std::filesystem::path& other_root, const std::string& other_split);

/// Encodes the usable images of a source, at one stage: the parts of this rank. `class_of_label` renumbers the labels. Throws
/// UserError, also if a label is not in it or a feature is not finite. A collective operation.
std::vector<LabeledPart> encode_labeled(const FeatureEncoder& encoder,
                                        const std::shared_ptr<const LabeledSource>& source,
                                        const std::vector<std::int64_t>& class_of_label, FeatureStage stage,
                                        const EncodeOptions& options, const Collectives& collectives);

/// Rows of all ranks. A collective operation.
std::int64_t num_rows_of_all(const std::vector<LabeledPart>& own, const Collectives& collectives);

/// Features of a row, also on a rank without rows. A collective operation.
std::int64_t dim_of_all(const std::vector<LabeledPart>& own, const Collectives& collectives);

}  // namespace cloob

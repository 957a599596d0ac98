// What evaluations of images with classes share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cloob/base/collectives.h"
#include "cloob/data/labeled_source.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/eval/prompts.h"

namespace cloob {

/// The classifier weights (K, D) from the prompts of the classes, on every rank. Throws UserError if the ranks have different
/// prompts. A collective operation.
at::Tensor encode_classes(const FeatureEncoder& encoder, const ZeroShotPrompts& prompts,
                          const EncodeOptions& options, const Collectives& collectives);

/// The label of an image. Throws UserError if it has no class name.
std::int64_t label_of(const LabeledSource& source, std::int64_t index, const ZeroShotPrompts& prompts);

/// Throws a UserError that names the first image whose unit features are not finite.
void require_finite_images(const ImageFeatures& batch, const Source& source);

}  // namespace cloob

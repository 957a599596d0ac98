// The three evaluations of a model on data: retrieval, zero-shot classification, validation loss.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cloob/data/labeled_source.h"
#include "cloob/data/source.h"
#include "cloob/eval/eval_config.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/eval/prompts.h"
#include "cloob/eval/retrieval_metrics.h"
#include "cloob/eval/zero_shot_metrics.h"

namespace cloob {

/// Features of the usable images of a source and of their captions: float32 on the CPU, L2-normalized rows.
struct PairFeatures {
  at::Tensor image_ND;
  at::Tensor text_MD;                       ///< the captions of the first image, of the second, ...
  std::vector<std::int64_t> image_of_text;  ///< for each text, the row of its image
};

/// Encodes images and captions once, for both retrieval and loss. Throws UserError if an image has no caption
/// or too many images are unusable.
PairFeatures encode_pairs(const FeatureEncoder& encoder, const std::shared_ptr<const Source>& source,
                          EvalCaptions captions, const EncodeOptions& options);

/// Image-text retrieval by the features themselves, without Hopfield retrieval.
RetrievalMetrics evaluate_retrieval(const PairFeatures& pairs);

/// Classifies the usable images of a source by the mean features of each class's prompts. Throws UserError if
/// the label of an image has no class name.
ZeroShotMetrics evaluate_zero_shot(const FeatureEncoder& encoder,
                                   const std::shared_ptr<const LabeledSource>& source,
                                   const ZeroShotPrompts& prompts, const EncodeOptions& options);

/// A loss and the data it was measured on.
struct LossResult {
  double loss = 0;                                   ///< mean over the batches
  std::optional<double> chance_loss = std::nullopt;  ///< of one that cannot tell the pairs of a batch apart
  std::int64_t batch_size = 0;  ///< pairs per batch: as requested, or all if there are fewer
  std::int64_t num_batches = 0;
  std::int64_t num_pairs = 0;  ///< in all batches
};

/// Mean of the model's loss over consecutive full batches of `loss_batch_size` pairs, in order and with first
/// captions; a last, smaller batch is dropped. If there are fewer pairs than one batch, they form a single
/// batch. Computed on the model's device. Throws UserError if a batch has too few pairs for the loss.
LossResult evaluate_loss(const PairFeatures& pairs, FeatureModel& model, std::int64_t loss_batch_size);

/// {"loss", ...}, {"chance_loss", ...} if it is known, {"loss_batch_size", ...}, {"num_batches", ...}, {"num_pairs", ...}.
NamedNumbers named_numbers(const LossResult& result);

}  // namespace cloob

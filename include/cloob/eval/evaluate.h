// The three evaluations of a model on data: retrieval (retrieval_metrics.h), zero-shot classification, validation loss.
//
// All ranks take part, each with a part of the data, and get the same result: the one that a single process gets.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/data/labeled_source.h"
#include "cloob/data/source.h"
#include "cloob/eval/eval_config.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/eval/pair_features.h"
#include "cloob/eval/prompts.h"
#include "cloob/eval/zero_shot_metrics.h"

namespace cloob {

/// Encodes images and captions once, for both retrieval and loss: the parts of this rank, without those that have no usable image.
/// Throws UserError if an image has no caption or too many images are unusable.
std::vector<PairFeatures> encode_pairs(const FeatureEncoder& encoder,
                                       const std::shared_ptr<const Source>& source, EvalCaptions captions,
                                       const EncodeOptions& options, const Collectives& collectives);

/// Classifies the usable images of a source by the mean features of each class's prompts. Throws UserError if
/// the label of an image has no class name, or if the ranks have different prompts.
ZeroShotMetrics evaluate_zero_shot(const FeatureEncoder& encoder,
                                   const std::shared_ptr<const LabeledSource>& source,
                                   const ZeroShotPrompts& prompts, const EncodeOptions& options,
                                   const Collectives& collectives);

/// A loss and the data it was measured on.
struct LossResult {
  double loss = 0;                                   ///< mean over the batches
  std::optional<double> chance_loss = std::nullopt;  ///< of one that cannot tell the pairs of a batch apart
  /// Means of PairMeasures over the batches, if the model knows them.
  std::optional<double> positive_mass = std::nullopt, gradient_weight = std::nullopt,
                        retrieval_entropy = std::nullopt;
  std::int64_t batch_size = 0;  ///< pairs per batch: as requested, or all if there are fewer
  std::int64_t num_batches = 0;
  std::int64_t num_pairs = 0;  ///< in all batches
};

/// Mean of the model's loss, and of its saturation, over consecutive full batches of `loss_batch_size` pairs, in order and with first captions; a last,
/// smaller batch is dropped. If there are fewer pairs than one batch, they form a single batch. `own` are the parts of this rank.
/// Each rank computes the batches that begin among its pairs, on the model's device. Throws UserError if a batch has too few
/// pairs for the loss.
LossResult evaluate_loss(std::span<const PairFeatures> own, FeatureModel& model, std::int64_t loss_batch_size,
                         const Collectives& collectives);

/// {"loss", ...}, {"chance_loss", ...}, {"positive_mass", ...}, {"gradient_weight", ...} and {"retrieval_entropy", ...} if
/// they are known, {"loss_batch_size", ...}, {"num_batches", ...}, {"num_pairs", ...}.
NamedNumbers named_numbers(const LossResult& result);

}  // namespace cloob

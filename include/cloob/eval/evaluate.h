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
#include "cloob/eval/retrieval_metrics.h"
#include "cloob/eval/zero_shot_metrics.h"
#include "cloob/objective/contrastive_objective.h"

namespace cloob {

/// Features of the usable images of a source and of their captions: float32 on the CPU, rows of length 1.
struct PairFeatures {
  at::Tensor image_ND;
  at::Tensor text_MD;                       ///< the captions of the first image, of the second, ...
  std::vector<std::int64_t> image_of_text;  ///< of each text, the row of its image
};

/// Encodes everything once, for retrieval and loss. Throws UserError when an image has no caption or too many
/// images are unusable.
PairFeatures encode_pairs(const FeatureEncoder& encoder, const std::shared_ptr<const Source>& source,
                          EvalCaptions captions, const EncodeOptions& options);

/// Retrieval among images and their captions by the features themselves: Hopfield retrieval plays no part in
/// evaluation.
RetrievalMetrics evaluate_retrieval(const PairFeatures& pairs);

/// Names of the classes and prompts with "{c}" in the place of the name.
struct ZeroShotPrompts {
  std::vector<std::string> class_names;
  std::vector<std::string> templates;
};

/// Prompts for a data set: `class_names` and `templates` (see EvalConfig) where they are set, else what the
/// data brings, else a default. Throws UserError when there are not as many names as classes.
ZeroShotPrompts zero_shot_prompts(const LabeledSource& source, const std::optional<std::string>& class_names,
                                  const std::optional<std::string>& templates);

/// Classification of the usable images of a source by the mean features of every class's prompts.
ZeroShotMetrics evaluate_zero_shot(const FeatureEncoder& encoder,
                                   const std::shared_ptr<const LabeledSource>& source,
                                   const ZeroShotPrompts& prompts, const EncodeOptions& options);

/// A contrastive loss and what it was measured on.
struct LossResult {
  double loss = 0;              ///< mean over the batches
  std::int64_t batch_size = 0;  ///< pairs in each batch: as asked for, or all where there are fewer
  std::int64_t num_batches = 0;
  std::int64_t num_pairs = 0;  ///< in all batches
};

/// Mean of the objective over consecutive whole batches of `loss_batch_size` pairs, in their order and with
/// first captions; pairs of a last, smaller batch are left out. Where there are fewer pairs than one batch,
/// all of them are the batch. Computed on the encoder's device with its model's temperature. Retrieval counts
/// fully, whatever its warm-up. Throws UserError where a batch has fewer than two pairs.
LossResult evaluate_loss(const PairFeatures& pairs, const FeatureEncoder& encoder,
                         const ContrastiveObjective& objective, std::int64_t loss_batch_size);

}  // namespace cloob

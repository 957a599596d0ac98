// The interface through which evaluation uses a trained model: features of images and texts. A task whose
// features need more than two towers (a retrieval memory, for example) provides its own.
//
// Shapes: B batch, N pairs, L tokens, D features (embed_dim).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string>

#include "cloob/base/pair_measures.h"
#include "cloob/model/feature_stage.h"
#include "cloob/model/model_config.h"
#include "cloob/model/pair_memory.h"
#include "cloob/model/refinement.h"

namespace cloob {

/// A model in evaluation mode, without gradients. Each call uses the current weights: the model may be
/// trained between calls.
class FeatureModel {
 public:
  virtual ~FeatureModel() = default;

  virtual const ModelConfig& config() const = 0;
  virtual c10::Device device() const = 0;

  /// (B, 3, image_size, image_size) on the device -> unit features, and those of the stages `more`; all at least float32.
  virtual ImageFeatureStages encode_image(const at::Tensor& images_BCHW, const FeatureStages& more) = 0;
  /// int64 ids (B, L) and the positions of end tokens (B), preferably on the CPU -> (B, D) on the device,
  /// L2-normalized rows.
  virtual at::Tensor encode_text(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) = 0;

  /// The same for prompts, whose mean over the templates of a class `refine_classes` gets: unit rows (C, D), and returns such.
  virtual at::Tensor encode_prompts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) {
    return encode_text(tokens_BL, end_positions_B);
  }
  virtual at::Tensor refine_classes(const at::Tensor& classes_CD) { return classes_CD; }

  /// The model without its memory: itself, unless features are refined.
  virtual FeatureModel& towers() { return *this; }
  /// What the memory makes of unit features (1, D) of the towers; nullopt if those of this modality are not refined with one.
  virtual std::optional<Refinement> refine(Modality /*modality*/, const at::Tensor& /*tower_1D*/) {
    return std::nullopt;
  }

  /// The loss of paired rows of features, at least `min_pairs` of them, and what the model knows besides: the same for
  /// every call. Anything with a warm-up in training counts fully.
  virtual PairMeasures measure_pairs(const at::Tensor& image_ND, const at::Tensor& text_ND) = 0;
  virtual std::int64_t min_pairs() const = 0;
  /// That loss of `num_pairs` pairs for a model that cannot tell them apart; unset if it is not known.
  virtual std::optional<double> chance_loss(std::int64_t /*num_pairs*/) const { return std::nullopt; }
  /// The name of that loss, such as "clip" or "cloob".
  virtual std::string loss_name() const = 0;
};

}  // namespace cloob

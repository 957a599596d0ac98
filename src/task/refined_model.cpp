#include "task/refined_model.h"

#include <ATen/core/grad_mode.h>

#include <utility>

#include "cloob/base/error.h"
#include "cloob/task/refined_features.h"

namespace cloob {

bool RefinedModel::refines(Modality modality) const {
  const RefinedSides sides = refiner_->config().refine;
  return sides == RefinedSides::both ||
         sides == (modality == Modality::image ? RefinedSides::images : RefinedSides::texts);
}

at::Tensor RefinedModel::refined(Modality modality, const at::Tensor& features_BD) const {
  if (!refines(modality)) return features_BD;
  const at::NoGradGuard no_grad;
  return refiner_->refine(modality, features_BD);
}

ImageFeatureStages RefinedModel::encode_image(const at::Tensor& images_BCHW, const FeatureStages& more) {
  ImageFeatureStages stages = towers_.encode_image(images_BCHW, more);
  stages.unit_BD = refined(Modality::image, stages.unit_BD);
  return stages;
}

at::Tensor RefinedModel::encode_text(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) {
  return refined(Modality::text, towers_.encode_text(tokens_BL, end_positions_B));
}

at::Tensor RefinedModel::encode_prompts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) {
  const at::Tensor features_BD = towers_.encode_text(tokens_BL, end_positions_B);
  return refiner_->config().refine_prompts == PromptRefinement::each ? refined(Modality::text, features_BD)
                                                                     : features_BD;
}

at::Tensor RefinedModel::refine_classes(const at::Tensor& classes_CD) {
  return refiner_->config().refine_prompts == PromptRefinement::mean
             ? refined(Modality::text, classes_CD.to(device()))
             : classes_CD;
}

std::optional<Refinement> RefinedModel::refine(Modality modality, const at::Tensor& tower_1D) {
  if (!refines(modality) || !refiner_->uses_memory()) return std::nullopt;
  const at::NoGradGuard no_grad;
  return refiner_->explain(modality, tower_1D.to(device()));
}

std::unique_ptr<FeatureModel> make_refined_features(FeatureModel& model, const RecoConfig& config,
                                                    std::shared_ptr<const PairMemory> memory) {
  CLOOB_CHECK(config.fusion == FusionKind::mean, "a fusion of kind {}", enum_name(config.fusion));
  Initializer initializer = Initializer::uninitialized();
  return std::make_unique<RefinedModel>(
      model,
      std::make_shared<const Refiner>(config, model.config().embed_dim, std::move(memory), initializer));
}

}  // namespace cloob

// What evaluation sees of a model with a memory: features of the towers, refined.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cloob/model/feature_model.h"
#include "task/refiner.h"

namespace cloob {

class RefinedModel final : public FeatureModel {
 public:
  /// `towers` must outlive this.
  RefinedModel(FeatureModel& towers, std::shared_ptr<const Refiner> refiner)
      : towers_(towers), refiner_(std::move(refiner)) {}

  const ModelConfig& config() const override { return towers_.config(); }
  c10::Device device() const override { return towers_.device(); }
  /// Stages before normalization are those of the tower: only unit features are refined.
  ImageFeatureStages encode_image(const at::Tensor& images_BCHW, const FeatureStages& more) override;
  at::Tensor encode_text(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) override;
  at::Tensor encode_prompts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) override;
  at::Tensor refine_classes(const at::Tensor& classes_CD) override;
  FeatureModel& towers() override { return towers_; }
  std::optional<Refinement> refine(Modality modality, const at::Tensor& tower_1D) override;
  PairMeasures measure_pairs(const at::Tensor& image_ND, const at::Tensor& text_ND) override {
    return towers_.measure_pairs(image_ND, text_ND);
  }
  std::int64_t min_pairs() const override { return towers_.min_pairs(); }
  std::optional<double> chance_loss(std::int64_t num_pairs) const override {
    return towers_.chance_loss(num_pairs);
  }
  std::string loss_name() const override { return towers_.loss_name(); }

 private:
  bool refines(Modality modality) const;
  at::Tensor refined(Modality modality, const at::Tensor& features_BD) const;

  FeatureModel& towers_;
  std::shared_ptr<const Refiner> refiner_;
};

}  // namespace cloob

// CLIP, CLOOB and the objectives in between: two towers and a contrastive objective.
#pragma once

#include <memory>
#include <optional>

#include "cloob/base/collectives.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/objective/contrastive_objective.h"
#include "cloob/optim/logit_scale.h"
#include "cloob/task/training_task.h"

namespace cloob {

class FeatureCache;

/// The features of a dual encoder, with the objective as the loss of pairs.
class DualEncoderFeatures final : public FeatureModel {
 public:
  /// From features to logits, as the loss does at the moment.
  using Scaling = std::function<LogitScaling()>;
  /// `objective` must outlive this.
  DualEncoderFeatures(DualEncoder model, const ContrastiveObjective& objective, Scaling scaling,
                      c10::Device device);

  const ModelConfig& config() const override { return model_->config(); }
  c10::Device device() const override { return device_; }
  ImageFeatureStages encode_image(const at::Tensor& images_BCHW, const FeatureStages& more) override;
  at::Tensor encode_text(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) override;
  PairMeasures measure_pairs(const at::Tensor& image_ND, const at::Tensor& text_ND) override;
  std::int64_t min_pairs() const override { return ContrastiveObjective::kMinPairs; }
  std::optional<double> chance_loss(std::int64_t num_pairs) const override;
  std::string loss_name() const override;

 private:
  DualEncoder model_;
  const ContrastiveObjective& objective_;
  Scaling scaling_;
  c10::Device device_;
};

struct ContrastiveTaskOptions {
  LogitScaleBounds logit_scale_bounds;
  std::optional<double> fixed_inv_tau;  ///< nullopt: it is learned
  bool image_is_frozen = false;
  bool text_is_frozen = false;
  bool caches_frozen_features = false;
  bool syncs_batch_norms = false;  ///< statistics over all ranks
};

class ContrastiveTask final : public TrainingTask {
 public:
  /// `model` must be on `device` with its towers frozen as in `options`. `collectives` must outlive this.
  ContrastiveTask(DualEncoder model, ContrastiveObjective objective, const ContrastiveTaskOptions& options,
                  const Collectives& collectives, c10::Device device);
  ~ContrastiveTask() override;
  ContrastiveTask(const ContrastiveTask&) = delete;  // features_ refers to objective_
  ContrastiveTask& operator=(const ContrastiveTask&) = delete;

  TrainedParameters parameters() const override;
  RowOutputs encode(const Batch& batch, RowRange rows, EncodePass pass) override;
  bool encodes_collectively() const override;
  LossOutput loss(const RowOutputs& outputs, const Batch& batch, std::int64_t step) const override;
  std::int64_t min_samples() const override { return ContrastiveObjective::kMinPairs; }
  void after_update() override;
  bool reads_images_on_host() const override;
  Batch to_static_shape(const Batch& batch) const override;
  std::int64_t first_steady_step() const override { return objective_.first_steady_step(); }
  NamedScalars scalars() const override;
  std::optional<double> chance_loss(std::int64_t num_samples) const override;
  NamedTensors weights() const override;
  NamedTensors state() const override;
  void load(const NamedTensors& weights, const NamedTensors& state) override;
  FeatureModel& feature_model() override { return features_; }

  /// (0, dim): an output of `encode` for a rank without samples. Requires a gradient where rows would, so that the backward pass of
  /// this rank makes the same collective calls as the others.
  at::Tensor no_rows(std::int64_t dim, bool is_trained) const;

 private:
  at::Tensor encode_images(const at::Tensor& images_BCHW);
  at::Tensor encode_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B);

  DualEncoder model_;
  ContrastiveObjective objective_;
  ContrastiveTaskOptions options_;
  const Collectives& collectives_;
  c10::Device device_;
  DualEncoderFeatures features_;
  std::unique_ptr<FeatureCache> image_cache_, text_cache_;  ///< of frozen towers, or null
};

}  // namespace cloob

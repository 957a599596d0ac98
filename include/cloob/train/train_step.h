// One optimizer step of one model: stations 5 to 10 of a batch's way (docs/architecture.md).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>

#include "cloob/base/gather.h"
#include "cloob/base/named_tensors.h"
#include "cloob/data/batch.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/objective/contrastive_objective.h"
#include "cloob/optim/adamw.h"
#include "cloob/optim/gradients.h"
#include "cloob/optim/logit_scale.h"
#include "cloob/optim/loss_scaler.h"
#include "cloob/train/run_config.h"

namespace cloob {

/// What one step leaves behind; its tensors lie on the device.
struct StepReport {
  at::Tensor loss;
  GradientNorms norms;
  double lr = 0;
  std::int64_t num_pairs = 0;
};

/// A model with everything that it takes to train it.
class TrainStep {
 public:
  /// `model` lies on `device`. Throws UserError when nothing of it can be trained.
  TrainStep(const RunConfig& config, DualEncoder model, c10::Device device);

  /// Trains on a batch of at least `ContrastiveObjective::kFewestPairs` pairs. `step` counts optimizer steps
  /// from 0. Throws UserError, and leaves the weights as they were, when training has become unstable.
  StepReport run(const Batch& batch, std::int64_t step, double lr);

  const DualEncoder& model() const { return model_; }
  const ContrastiveObjective& objective() const { return objective_; }
  /// fp16's loss scale; nothing in another precision.
  std::optional<double> loss_scale() const;

  /// What a checkpoint holds beside the model: "optimizer.NAME", "objective.NAME", "scaler.NAME". The tensors
  /// are the live ones.
  NamedTensors state() const;
  /// Copies a saved state in; tensors under other names are left alone. Throws UserError when something is
  /// missing or of another shape.
  void load_state(const NamedTensors& state);

 private:
  struct Features {
    at::Tensor image_BD;
    at::Tensor text_BD;
  };
  Features encode(const Batch& batch, std::int64_t first, std::int64_t count);
  at::Tensor backward(const Features& features, std::int64_t step);
  at::Tensor compute_gradients(const Batch& batch, std::int64_t step);
  at::Tensor compute_gradients_in_parts(const Batch& batch, std::int64_t step);
  void update_weights(StepReport& report, std::int64_t step);

  Precision precision_;
  std::int64_t num_parts_;
  std::optional<double> grad_clip_norm_;
  LogitScaleBounds logit_scale_bounds_;
  c10::Device device_;
  DualEncoder model_;
  ContrastiveObjective objective_;
  SingleProcess gather_;
  NamedTensors parameters_;
  AdamW optimizer_;
  std::optional<LossScaler> scaler_;
};

}  // namespace cloob

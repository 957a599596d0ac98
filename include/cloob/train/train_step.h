// One optimizer step of one model: stations 5 to 10 of a batch's way (docs/architecture.md).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "cloob/base/named_tensors.h"
#include "cloob/data/batch.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/objective/contrastive_objective.h"
#include "cloob/optim/adamw.h"
#include "cloob/optim/gradients.h"
#include "cloob/optim/logit_scale.h"
#include "cloob/optim/loss_scaler.h"
#include "cloob/optim/spike_guard.h"
#include "cloob/optim/weight_average.h"
#include "cloob/train/run_config.h"

namespace cloob {

class StepGradients;

/// What became of a step: `overflowed` in fp16, which lowers the loss scale, or `skipped` by the spike guard.
/// Both leave the weights as they were, the latter also the running statistics.
enum class StepOutcome { taken, overflowed, skipped };

/// What one step leaves behind; its tensors lie on the device.
struct StepReport {
  at::Tensor loss;
  GradientNorms norms;
  double lr = 0;
  std::int64_t num_pairs = 0;
  StepOutcome outcome = StepOutcome::taken;
};

/// A model with everything that it takes to train it.
class TrainStep {
 public:
  /// `model` lies on `device`. Throws UserError when nothing of it can be trained.
  TrainStep(const RunConfig& config, DualEncoder model, c10::Device device);
  ~TrainStep();
  TrainStep(const TrainStep&) = delete;  // its gradients refer to its objective
  TrainStep& operator=(const TrainStep&) = delete;

  /// Trains on a batch of at least `ContrastiveObjective::kFewestPairs` pairs. `step` counts optimizer steps
  /// from 0. Throws UserError, and leaves the weights as they were, when training has become unstable and no
  /// spike guard looks after it.
  /// `meanwhile` is called while a GPU computes.
  StepReport run(const Batch& batch, std::int64_t step, double lr,
                 const std::function<void()>& meanwhile = {});
  /// Whether `run` wants the images of a batch on the CPU.
  bool reads_images() const;

  const DualEncoder& model() const { return model_; }
  const ContrastiveObjective& objective() const { return objective_; }
  /// fp16's loss scale; nothing in another precision.
  std::optional<double> loss_scale() const;
  /// Nothing unless `optimizer.spike_guard.enabled`.
  const std::optional<SpikeGuard>& spike_guard() const { return spike_guard_; }

  /// What to evaluate, and to hand to others: the averaged weights where there is an average, otherwise the
  /// live ones.
  NamedTensors weights() const;
  /// Makes the model use `weights()` as long as the result lives; nothing to do without an average.
  std::unique_ptr<BorrowedWeights> use_weights_to_evaluate();

  /// What a checkpoint holds beside `weights()`: "optimizer.NAME", "objective.NAME", "scaler.NAME",
  /// "spike_guard.NAME", "average.NAME" and, where the live weights are not `weights()`, "live.NAME". Mostly
  /// the live tensors.
  NamedTensors state() const;
  /// Copies saved weights and a saved state in; tensors under other names are left alone. Without a saved
  /// average, one begins at the weights. A temperature that is not learned stays that of the settings. Throws
  /// UserError when something is missing or of another shape.
  void load_state(const NamedTensors& weights, const NamedTensors& state);
  /// The same, after a number of skipped steps: what was counted since then stays.
  void roll_back(const NamedTensors& weights, const NamedTensors& state);

 private:
  bool is_harmful(const StepReport& report, std::int64_t step);
  void update_weights(StepReport& report, std::int64_t step);
  void lower_or_raise_scale(std::int64_t step);

  std::optional<double> grad_clip_norm_;
  std::optional<double> ema_decay_;
  std::optional<double> fixed_inv_tau_;
  LogitScaleBounds logit_scale_bounds_;
  DualEncoder model_;
  ContrastiveObjective objective_;
  NamedTensors parameters_;
  AdamW optimizer_;
  std::optional<LossScaler> scaler_;
  std::optional<SpikeGuard> spike_guard_;
  std::optional<WeightAverage> average_;
  std::unique_ptr<StepGradients> gradients_;
};

}  // namespace cloob

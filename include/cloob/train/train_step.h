// One training step of a task, in two halves: gradients and update.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "cloob/base/collectives.h"
#include "cloob/base/named_tensors.h"
#include "cloob/base/tensor_parts.h"
#include "cloob/data/loader/batch.h"
#include "cloob/device/streams.h"
#include "cloob/optim/adamw.h"
#include "cloob/optim/gradients.h"
#include "cloob/optim/learning_rates.h"
#include "cloob/optim/loss_scaler.h"
#include "cloob/optim/spike_guard.h"
#include "cloob/optim/weight_ema.h"
#include "cloob/run/run_config.h"
#include "cloob/task/training_task.h"

namespace cloob {

class StepGradients;

/// The results of one step; its tensors are on the device.
struct StepReport {
  at::Tensor loss;     ///< over the batches of all ranks
  NamedScalars terms;  ///< of the loss
  GradientNorms norms;
  LearningRates lr;
  bool is_skipped = false;  ///< by the spike guard: weights and running statistics are unchanged
};

/// A task with everything needed to train it.
///
/// The host does not synchronize with the device, in any precision: the check for finite loss and gradients
/// runs on the device, an update with non-finite values changes nothing, and the host learns about it one
/// step later (immediately on the CPU). A spike guard decides on the host and synchronizes once per step.
class TrainStep {
 public:
  /// `task`, whose tensors are on `device`, and `collectives` must outlive this. Throws UserError if there is
  /// nothing to train.
  TrainStep(const RunConfig& config, TrainingTask& task, const Collectives& collectives, c10::Device device);
  ~TrainStep();
  TrainStep(const TrainStep&) = delete;  // gradients_ refers to scaler_
  TrainStep& operator=(const TrainStep&) = delete;

  /// Computes the loss and the gradients of a batch, which may have no rows on this rank, and sums them over the
  /// ranks, gradients while they are computed. Keeps the images of the batch until the device has read them.
  /// `step` counts optimizer steps from 0.
  void forward_backward(const Batch& batch, std::int64_t step);
  /// Updates the weights from the gradients. Without a spike guard, throws UserError if training has become
  /// unstable; the weights are then those before the step that the message names.
  StepReport update(const LearningRates& lr);
  /// Waits until the last update is known to be valid; throws like `update`. Call it before weights are saved
  /// or evaluated.
  void settle();

  /// Whether `forward_backward` needs the images of a batch on the host.
  bool reads_images_on_host() const;

  /// The loss scale in fp16, otherwise nullopt. Synchronizes with the device.
  std::optional<double> loss_scale() const;
  /// Nullopt unless `optimizer.spike_guard.enabled`.
  const std::optional<SpikeGuard>& spike_guard() const { return spike_guard_; }

  /// Tensors of the task that are saved but not trained, as running statistics of batch norms. Those differ between ranks,
  /// unless they are synchronized.
  NamedTensors buffers() const;
  /// The weights to evaluate and to publish: the weight average if there is one, otherwise the live weights.
  NamedTensors weights() const;
  /// Makes the task use `weights()` for the lifetime of the result; null without an average.
  std::unique_ptr<BorrowedWeights> use_weights_to_evaluate();

  /// The state that a checkpoint needs in addition to `weights()`: "optimizer.NAME", the task's state,
  /// "scaler.NAME", "spike_guard.NAME", "average.NAME" and, with an average, the live weights as "live.NAME".
  /// Mostly not copies. With `distributed.shard_optimizer` a collective operation, complete on rank 0 only.
  NamedTensors state() const;
  /// The part of it without "optimizer.NAME".
  NamedTensors state_without_optimizer() const;
  /// The same state for a checkpoint that all ranks write: of the large tensors this rank's parts, and the others.
  struct SplitState {
    NamedTensors whole;
    TensorParts parts;
  };
  SplitState split_state() const;
  /// Restores saved weights and a saved state; other names in `state` are ignored. Without a saved average, a
  /// new one starts from the weights. Throws UserError if something is missing or has a different shape.
  void load_state(const NamedTensors& weights, const NamedTensors& state);
  /// The same after skipped steps, but keeps the current counts of the spike guard.
  void roll_back(const NamedTensors& weights, const NamedTensors& state);

 private:
  enum class Verdict { take, overflow, skip };
  void fill_missing_gradients();
  void sum_over_ranks();
  void divide_gradients_of_towers(std::int64_t divisor);
  GradientNorms norms_of_rank_0(const GradientNorms& norms) const;
  Verdict judge(const StepReport& report, const at::Tensor& overflow);
  void take_step(const StepReport& report, const at::Tensor& skip);

  std::optional<double> grad_clip_norm_;
  std::optional<double> ema_decay_;
  bool scales_like_references_;
  c10::Device device_;
  TrainingTask& task_;
  const Collectives& collectives_;
  TrainedParameters parameters_;
  AdamW optimizer_;
  std::optional<LossScaler> scaler_;
  std::optional<SpikeGuard> spike_guard_;
  std::optional<WeightEma> average_;
  std::unique_ptr<GradientSums> gradient_sums_;  ///< null if gradients are summed after the backward pass
  std::unique_ptr<StepGradients> gradients_;

  std::int64_t step_ = 0;        ///< of the last forward_backward
  LossOutput output_;            ///< of the last forward_backward
  NamedTensors buffers_before_;  ///< only with a spike guard
  HostNumbers numbers_;          ///< of the last update, until `settle`
  std::int64_t numbers_step_ = 0;
  /// Images that the device may still be copying from the host. The loader refills a tensor that nobody holds.
  at::Tensor images_;          ///< of the last forward_backward
  at::Tensor numbers_images_;  ///< of the last update, until `settle`
};

}  // namespace cloob

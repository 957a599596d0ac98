// Computes the gradients of one batch: encoding, loss and backward pass.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/base/trained_parameter.h"
#include "cloob/data/loader/batch.h"
#include "cloob/device/autocast.h"
#include "cloob/device/device_graph.h"
#include "cloob/optim/loss_scaler.h"
#include "cloob/run/run_config.h"
#include "cloob/task/training_task.h"
#include "train/graphed_step.h"

namespace cloob {

/// Computes the gradients of a task's parameters in the configured way: at once, in parts (gradient caching),
/// or with a captured graph.
class StepGradients {
 public:
  /// `task`, `scaler` and `sums` (may be null) must outlive this. `sums` sums gradients over ranks. `graphs` creates graphs of the
  /// device; may be null.
  StepGradients(const TrainConfig& config, TrainingTask& task, const LossScaler* scaler, GradientSums* sums,
                c10::Device device, GraphFactory graphs);
  StepGradients(const StepGradients&) = delete;  // the captured work refers to this
  StepGradients& operator=(const StepGradients&) = delete;

  /// Returns this rank's part of the loss, detached, on the device. The parameters must not have gradients
  /// before.
  LossOutput compute(const Batch& batch, std::int64_t step);

  /// Whether `compute` needs the images on the host: if the task reads them there, or if parts are copied to
  /// the device one at a time.
  bool reads_images_on_host() const { return num_parts_ > 1 || task_.reads_images_on_host(); }

 private:
  RowOutputs encode(const Batch& batch, RowRange rows, EncodePass pass);
  LossOutput backward(const RowOutputs& outputs, const Batch& batch, std::int64_t step);
  void run_last_pass(const std::function<void()>& pass) const;
  LossOutput compute_in_parts(const Batch& batch, std::int64_t step);
  LossOutput compute_graphed(const Batch& batch);
  std::vector<at::Tensor> compute_captured(const std::vector<at::Tensor>& inputs);

  Precision precision_;
  std::int64_t full_batch_size_;
  std::int64_t num_parts_;
  c10::Device device_;
  TrainingTask& task_;
  TrainedParameters parameters_;
  const LossScaler* scaler_;
  GradientSums* sums_;
  std::optional<GraphedStep> graphed_;  ///< with train.cuda_graph, if the device has graphs
  Batch graphed_batch_;                 ///< the batch of the captured work, except for the tensors
  std::vector<std::string> graphed_terms_;
};

}  // namespace cloob

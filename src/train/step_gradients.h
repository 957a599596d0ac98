// The gradients of one batch: towers, objective and backward pass.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "cloob/base/gather.h"
#include "cloob/base/named_tensors.h"
#include "cloob/data/batch.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/nn/autocast.h"
#include "cloob/nn/device_graph.h"
#include "cloob/objective/contrastive_objective.h"
#include "cloob/optim/loss_scaler.h"
#include "cloob/train/run_config.h"
#include "train/feature_cache.h"
#include "train/replayed_work.h"

namespace cloob {

/// Gives the parameters of a model and its objective their gradients, in the way that the settings ask for:
/// at once, in parts (gradient caching), with the features of frozen towers kept, or recorded.
class StepGradients {
 public:
  /// `objective` and `scaler` (null without one) have to outlive it. `graphs` are those of the device, or
  /// null.
  StepGradients(const RunConfig& config, DualEncoder model, const ContrastiveObjective& objective,
                NamedTensors parameters, const LossScaler* scaler, c10::Device device, GraphFactory graphs);
  StepGradients(const StepGradients&) = delete;  // the recorded work holds on to it
  StepGradients& operator=(const StepGradients&) = delete;

  /// Returns the loss, on the device. The parameters have no gradients before.
  at::Tensor compute(const Batch& batch, std::int64_t step);

  /// Whether `compute` wants the images on the CPU: to look them up, or since one part at a time fits the
  /// device.
  bool reads_images() const { return image_cache_.has_value() || num_parts_ > 1; }

 private:
  struct Features {
    at::Tensor image_BD;
    at::Tensor text_BD;
  };
  Features encode(const Batch& batch, std::int64_t first, std::int64_t count);
  at::Tensor encode_images(const at::Tensor& images_BCHW);
  at::Tensor encode_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B);
  at::Tensor backward(const Features& features, std::int64_t step);
  at::Tensor compute_in_parts(const Batch& batch, std::int64_t step);
  at::Tensor compute_recordable(const std::vector<at::Tensor>& inputs);
  std::vector<at::Tensor> recordable_inputs(const Batch& batch) const;

  Precision precision_;
  std::int64_t full_batch_size_;
  std::int64_t num_parts_;
  bool image_is_frozen_;
  bool text_is_frozen_;
  c10::Device device_;
  DualEncoder model_;
  const ContrastiveObjective& objective_;
  SingleProcess gather_;
  NamedTensors parameters_;
  const LossScaler* scaler_;
  std::optional<FeatureCache> image_cache_, text_cache_;  ///< of frozen towers
  std::optional<ReplayedWork> replayed_;                  ///< with train.cuda_graph, where there are graphs
};

}  // namespace cloob

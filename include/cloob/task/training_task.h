// The interface between the trainer and what it trains. The trainer does not know which towers there are,
// what the loss compares, or what happens at the start of an epoch. A new kind of training is a new task.
//
// Shapes: B samples of this rank's batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/base/named_tensors.h"
#include "cloob/base/trained_parameter.h"
#include "cloob/data/data_config.h"
#include "cloob/data/loader/batch.h"
#include "cloob/data/order/sample_order.h"
#include "cloob/data/source.h"
#include "cloob/model/feature_model.h"
#include "cloob/report/episode_picture.h"
#include "cloob/report/named_numbers.h"

namespace cloob {

/// Consecutive rows of a batch.
struct RowRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

/// An output of `encode`: row r of the tensor belongs to sample r, so that gradient caching can split and
/// concatenate outputs.
struct RowOutput {
  at::Tensor rows;
  bool is_trained = true;  ///< whether trained parameters contributed to it
};
using RowOutputs = std::vector<RowOutput>;

/// Gradient caching encodes every row twice.
enum class EncodePass {
  first,  ///< the first or only pass
  second  ///< for the gradients: outputs that are not trained may be left undefined
};

/// Scalars on the device by the names that they are logged under.
using NamedScalars = std::vector<std::pair<std::string, at::Tensor>>;

struct LossOutput {
  at::Tensor loss;          ///< this rank's part of the loss, differentiable: the sum over ranks is the loss
  NamedScalars terms = {};  ///< this rank's parts, like the loss; their sums are logged as train/NAME
};

/// What an extra pass over the data visits.
enum class PassOver { epoch, all_samples };

/// The epoch about to start: its samples and their order. A task may read them itself, before they are trained on.
struct EpochData {
  std::int64_t epoch = 0;       ///< of the order
  std::int64_t num_epochs = 0;  ///< of the run, the last of which may be incomplete
  std::shared_ptr<const Source> source;
  const SampleOrder& order;
  /// For what the task does together with the other ranks before the epoch; another object than that of the steps, so that
  /// all learn of the failure of one.
  const Collectives& collectives;
  /// Passes over this rank's part of some samples, in batches, with the transform of images and the choice of captions of
  /// training, but other random numbers, or with the transform of evaluation. A sample may be in two batches. A collective
  /// operation.
  std::function<void(PassOver samples, Purpose transform,
                     const std::function<void(const Batch& batch)>& visit)>
      for_each_batch;
  /// Throws on all ranks if one was asked to stop: then the epoch begins again when the run resumes. A collective operation.
  std::function<void()> check_stop;
};

/// What a task measured before an epoch.
struct EpochReport {
  NamedNumbers metrics = {};                   ///< with their complete names
  std::optional<EpisodePicture> picture = {};  ///< on rank 0
};

class TrainingTask {
 public:
  virtual ~TrainingTask() = default;

  /// All parameters, including frozen ones.
  virtual TrainedParameters parameters() const = 0;

  /// Computes the outputs of some rows of a batch, independently of other rows. Called inside autocast,
  /// possibly with no rows, if a rank has no usable sample.
  virtual RowOutputs encode(const Batch& batch, RowRange rows, EncodePass pass) = 0;
  /// Whether `encode` communicates with other ranks: then every rank calls it equally often, also without rows.
  virtual bool encodes_collectively() const { return false; }
  /// The loss over all rows of the batch on all ranks, from the concatenated outputs of `encode`. `step`
  /// counts optimizer steps from 0. Called outside of autocast.
  virtual LossOutput loss(const RowOutputs& outputs, const Batch& batch, std::int64_t step) const = 0;
  /// Minimum number of samples, over all ranks, for a training step.
  virtual std::int64_t min_samples() const = 0;

  /// Called before the first batch of an epoch, and again if a run resumes there. Not called in the middle of an epoch, which
  /// may be where a run resumes, unless `has_begun` denies it. A collective operation.
  virtual EpochReport begin_epoch(const EpochData&) { return {}; }
  /// Whether the task is ready to train in the middle of an epoch: `load` must restore what `begin_epoch` made, but may have
  /// restored that of an earlier epoch, if a run was rolled back and its data continues.
  virtual bool has_begun(std::int64_t /*epoch*/) const { return true; }
  /// Called after each optimizer step, also if the device found its gradients not finite and changed nothing:
  /// for clamping parameters.
  virtual void after_update() {}

  /// Whether `encode` needs the images of a batch on the host.
  virtual bool reads_images_on_host() const { return false; }
  /// The batch with all inputs on the device and with few distinct shapes, so that the work on it, which must
  /// not depend on values, can be captured in a device graph. Throws UserError if the task does not support
  /// capture.
  virtual Batch to_static_shape(const Batch& batch) const = 0;
  /// The first step from which on `loss` does not depend on the step.
  virtual std::int64_t first_steady_step() const { return 0; }

  /// Current values of scalars that are logged as train/NAME at each report, such as a temperature.
  virtual NamedScalars scalars() const { return {}; }

  /// The loss that `num_samples` samples would have at the current parameters if the model had learned nothing; unset
  /// if the task does not know it.
  virtual std::optional<double> chance_loss(std::int64_t /*num_samples*/) const { return std::nullopt; }

  /// What encoding changes besides its outputs, such as running statistics: the weights that are not parameters.
  virtual NamedTensors buffers() const;

  /// The tensors of a checkpoint's weights file, and the rest of the task's state ("OWNER.NAME"). Not copies.
  virtual NamedTensors weights() const = 0;
  virtual NamedTensors state() const = 0;
  /// Restores saved weights and state; names in `state` that are not the task's are ignored. Values fixed by
  /// the settings are not overwritten. Throws UserError if something is missing or has a different shape.
  virtual void load(const NamedTensors& weights, const NamedTensors& state) = 0;

  /// The model that is evaluated.
  virtual FeatureModel& feature_model() = 0;
};

}  // namespace cloob

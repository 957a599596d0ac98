// RECO: frozen towers, whose features are refined with pairs that are retrieved from a memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "cloob/base/collectives.h"
#include "cloob/data/data_config.h"
#include "cloob/device/autocast.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/model/pair_memory.h"
#include "cloob/objective/contrastive_objective.h"
#include "cloob/optim/logit_scale.h"
#include "cloob/task/contrastive_task.h"
#include "cloob/task/reco_config.h"
#include "cloob/task/training_task.h"

namespace cloob {

class Refiner;
class RefinedModel;
struct TrainingFeatures;

struct RecoTaskOptions {
  RecoConfig config;
  LogitScaleBounds logit_scale_bounds;
  std::optional<double> fixed_inv_tau;  ///< nullopt: it is learned, starting from that of the model
  std::uint64_t seed = 0;
  Precision precision = Precision::fp32;                 ///< of the pass that encodes the training data
  CaptionChoice caption_choice = CaptionChoice::random;  ///< of that pass
};

/// 63 bits that tell the pairs of a memory from others.
std::int64_t memory_hash(const PairMemory& memory);
/// Those of the memory of training that the state of a checkpoint remembers; nullopt if it does not.
std::optional<std::int64_t> saved_memory_hash(const NamedTensors& state);

/// Iscen et al., "Retrieval-Enhanced Contrastive Vision-Text Models". With V and T the features of the towers, and V' and T' the
/// refined ones,
///
///   loss = L(V', T') + L(V', T) + L(V, T')
///
/// where L is the objective of the settings (the paper's is InfoNCE). The towers never change: before training starts, all samples
/// are encoded once, and the pairs that they retrieve are looked up once, or both are taken from a cache (`reco.cache`). A step gathers
/// these, fuses and compares.
///
/// Every rank has the features of all samples, 8 bytes per sample and dimension, and 16 k for the neighbors.
class RecoTask final : public TrainingTask {
 public:
  /// `model` is on `device`. `collectives` must outlive this. There may be no memory if the fusion uses none. Throws UserError.
  RecoTask(DualEncoder model, ContrastiveObjective objective, const PairMemories& memories,
           const RecoTaskOptions& options, const Collectives& collectives, c10::Device device);
  ~RecoTask() override;
  RecoTask(const RecoTask&) = delete;  // features_ refers to objective_
  RecoTask& operator=(const RecoTask&) = delete;

  /// Begins with random features of so many samples, and random neighbors: for benchmarks of a step.
  void begin_with_random(std::int64_t num_samples);

  TrainedParameters parameters() const override;
  RowOutputs encode(const Batch& batch, RowRange rows, EncodePass pass) override;
  LossOutput loss(const RowOutputs& outputs, const Batch& batch, std::int64_t step) const override;
  std::int64_t min_samples() const override { return ContrastiveObjective::kMinPairs; }
  EpochReport begin_epoch(const EpochData& data) override;
  bool has_begun(std::int64_t epoch) const override;
  void after_update() override;
  Batch to_static_shape(const Batch& batch) const override;
  std::int64_t first_steady_step() const override { return objective_.first_steady_step(); }
  NamedScalars scalars() const override;
  std::optional<double> chance_loss(std::int64_t num_samples) const override;
  NamedTensors buffers() const override { return {}; }
  /// Of the towers, as the model has them that they come from.
  NamedTensors weights() const override;
  NamedTensors state() const override;
  void load(const NamedTensors& weights, const NamedTensors& state) override;
  FeatureModel& feature_model() override;

 private:
  struct Training;

  void require_something_to_train() const;
  /// Of the memory of training; 0 without one.
  std::int64_t memory_hash() const;
  void warn_of_another_memory() const;
  TrainingFeatures encode_all(const EpochData& data, EpochReport& report);
  at::Tensor inv_tau() const { return logit_scale_.exp(); }
  NamedTensors own_tensors() const;

  DualEncoder model_;
  ContrastiveObjective objective_;
  RecoTaskOptions options_;
  const Collectives& collectives_;
  c10::Device device_;
  std::shared_ptr<const PairMemory> memory_;  ///< of training; null: none
  std::shared_ptr<Refiner> refiner_;
  at::Tensor logit_scale_;
  DualEncoderFeatures towers_;
  std::unique_ptr<RefinedModel> refined_;
  std::optional<std::int64_t> saved_memory_hash_;  ///< when the checkpoint was written that was loaded
  std::unique_ptr<Training> training_;             ///< null until training begins
};

}  // namespace cloob

// ProtoCLIP (Chen et al., "Prototypical Contrastive Language Image Pretraining"): the contrastive task, and with it a loss that
// classifies samples into the clusters that the other modality, or an external teacher, has in the current episode.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "cloob/device/autocast.h"
#include "cloob/model/projection_head.h"
#include "cloob/task/contrastive_task.h"
#include "cloob/task/protoclip_config.h"
#include "cloob/task/training_task.h"

namespace cloob {

struct EpisodeFeatures;
struct EpisodePrototypes;
class TeacherFeatures;

struct ProtoClipOptions {
  ProtoClipConfig config;
  LogitScaleBounds logit_scale_bounds;
  Precision precision = Precision::fp32;  ///< of the extraction of features
  bool image_is_frozen = false;
  bool text_is_frozen = false;
  bool syncs_batch_norms = false;  ///< statistics over all ranks
};

/// The projection heads of both modalities and the scale of the prototype losses. The heads begin equal.
struct ProjectionHeads {
  ProjectionHeads(const ProtoClipConfig& config, std::int64_t embed_dim, std::uint64_t seed);

  void to(c10::Device device);

  ProjectionHead image, text;
  at::Tensor logit_scale;  ///< the logarithm of the inverse temperature
};

/// The part of `ProtoClipTask::state` that an episode leaves, with random prototypes and with random clusters of `samples`
/// samples: for benchmarks of a step.
NamedTensors random_episode(const ProtoClipConfig& config, std::int64_t episode, std::int64_t samples);

/// L = w_clip L_clip + w_proto L_proto + w_teacher L_teacher. The weights are 1, 0 and 0 while nothing is clustered.
class ProtoClipTask final : public TrainingTask {
 public:
  /// `model` is that of `contrastive`; both and `heads` must be on `device`. `collectives` must outlive this.
  ProtoClipTask(std::unique_ptr<ContrastiveTask> contrastive, DualEncoder model, ProjectionHeads heads,
                const ProtoClipOptions& options, const Collectives& collectives, c10::Device device);
  ~ProtoClipTask() override;

  TrainedParameters parameters() const override;
  RowOutputs encode(const Batch& batch, RowRange rows, EncodePass pass) override;
  bool encodes_collectively() const override { return options_.syncs_batch_norms; }
  LossOutput loss(const RowOutputs& outputs, const Batch& batch, std::int64_t step) const override;
  std::int64_t min_samples() const override { return contrastive_->min_samples(); }
  EpochReport begin_epoch(const EpochData& data) override;
  bool has_begun(std::int64_t epoch) const override { return episode_ == epoch; }
  void after_update() override;
  Batch to_static_shape(const Batch& batch) const override;
  NamedScalars scalars() const override;
  NamedTensors buffers() const override;
  NamedTensors weights() const override { return contrastive_->weights(); }
  NamedTensors state() const override;
  void load(const NamedTensors& weights, const NamedTensors& state) override;
  FeatureModel& feature_model() override { return contrastive_->feature_model(); }

 private:
  NamedTensors tensors_of_heads() const;
  std::pair<at::Tensor, at::Tensor> encode_images(const at::Tensor& images_BCHW);
  std::pair<at::Tensor, at::Tensor> encode_texts(const at::Tensor& tokens_BL,
                                                 const at::Tensor& end_positions_B);
  at::Tensor project(ProjectionHead& head, const at::Tensor& raw_BD) const;
  RowOutputs no_rows() const;
  bool is_clustered(const EpochData& data) const;
  EpisodeFeatures extract(const EpochData& data, const TeacherFeatures* teacher);

  std::unique_ptr<ContrastiveTask> contrastive_;
  DualEncoder model_;
  ProjectionHeads heads_;
  ProtoClipOptions options_;
  const Collectives& collectives_;
  c10::Device device_;
  std::unique_ptr<EpisodePrototypes> prototypes_;  ///< of `episode_`, never null
  std::int64_t episode_ = -1;                      ///< -1: none has begun
};

}  // namespace cloob

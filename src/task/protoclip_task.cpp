#include "cloob/task/protoclip_task.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/record_function.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/log.h"
#include "cloob/base/prefixed_tensors.h"
#include "cloob/base/random.h"
#include "cloob/base/timer.h"
#include "cloob/device/streams.h"
#include "cloob/loss/prototype_loss.h"
#include "cloob/model/weights.h"
#include "cloob/nn/eval_mode.h"
#include "cloob/nn/layers.h"
#include "cloob/task/teacher_features.h"
#include "task/draw_episode.h"
#include "task/first_rows.h"
#include "task/prototypes.h"

namespace cloob {
namespace {

const std::string kPrefix = "protoclip.";
const std::string kPrototypes = "prototypes.";
const std::string kEpisode = "episode";
const std::string kImageHead = "image_head.";
const std::string kTextHead = "text_head.";
const std::string kLogitScaleName = "logit_scale";

ProjectionHead make_head(const ProtoClipConfig& config, std::int64_t embed_dim, std::uint64_t seed) {
  constexpr std::uint64_t kHeads = 2;  // others than the towers' numbers
  Initializer initializer = Initializer::random(mix_bits({seed, kHeads}));
  return ProjectionHead(ProjectionHeadOptions{.in = embed_dim,
                                              .hidden = config.projection_hidden_dim,
                                              .out = config.projection_dim,
                                              .hidden_layers = config.projection_layers},
                        initializer);
}

at::Tensor places_of(const Batch& batch) { return at::tensor(batch.places, at::kLong); }

// The number of rows of all ranks, on the device of the rows.
at::Tensor count_rows(const at::Tensor& rows_BD, const Collectives& collectives) {
  const at::Tensor count =
      at::full({}, static_cast<double>(rows_BD.size(0)), rows_BD.options().requires_grad(false));
  if (collectives.world_size() > 1) collectives.sum_in_place(std::array{count});
  return count;
}

/// The prototype losses of some students, and how many samples they classify correctly.
class PrototypeLosses {
 public:
  PrototypeLosses(const Batch& batch, const at::Tensor& inv_tau, at::Tensor num_samples, c10::Device device)
      : places_B_(places_of(batch)),
        inv_tau_(inv_tau),
        num_samples_(std::move(num_samples)),
        device_(device) {}

  // This rank's part of the mean over the samples of all ranks; the fraction of correct ones is appended to `terms`.
  at::Tensor of(const at::Tensor& student_BD, const PrototypeTargets& targets, const char* accuracy,
                NamedScalars& terms) const {
    const at::Tensor labels_B = copy_to_device(targets.labels_E.index_select(0, places_B_), device_);
    at::Tensor num_correct;
    const at::Tensor sum =
        prototype_loss(student_BD, targets.prototypes_KD, targets.expected_KD, labels_B, inv_tau_,
                       /*num_samples=*/1, /*tile=*/0, &num_correct);
    terms.emplace_back(accuracy, num_correct / num_samples_);
    return sum / num_samples_;
  }

 private:
  at::Tensor places_B_;
  const at::Tensor& inv_tau_;
  at::Tensor num_samples_;
  c10::Device device_;
};

/// The projected features of the samples of this rank, by place.
class ExtractedRows {
 public:
  void add(const Batch& batch, const at::Tensor& image_BD, const at::Tensor& text_BD) {
    if (batch.size() == 0) return;
    places_.push_back(places_of(batch));
    indices_.push_back(at::tensor(batch.indices, at::kLong));
    image_.push_back(image_BD);
    text_.push_back(text_BD);
  }

  struct Gathered {
    EpisodeFeatures features;
    at::Tensor indices_n;  ///< in the source, on the CPU
  };

  // The rows of all ranks in the order of their places, each place once.
  Gathered gather(std::int64_t dim, at::ScalarType type, c10::Device device, const Collectives& collectives) {
    const auto all = [&](std::vector<at::Tensor>& parts, const at::Tensor& none) {
      const at::Tensor own = parts.empty() ? none : at::cat(parts);
      parts.clear();
      return collectives.gather_rows(own.to(device)).rows_ND;
    };
    const at::Tensor no_numbers = at::empty({0}, at::kLong), no_rows = at::empty({0, dim}, type);
    const at::Tensor places_m = all(places_, no_numbers).to(at::kCPU),
                     indices_m = all(indices_, no_numbers).to(at::kCPU);
    const at::Tensor rows_n = first_rows_of(places_m), rows_on_device = rows_n.to(device);
    Gathered gathered{.features = {.places_n = places_m.index_select(0, rows_n),
                                   .image_nD = {},
                                   .text_nD = {},
                                   .teacher_nX = {}},
                      .indices_n = indices_m.index_select(0, rows_n)};
    // One rank has most orders already: then no copy is made.
    const bool is_in_order = at::equal(rows_n, at::arange(places_m.numel(), at::kLong));
    const auto in_order = [&](std::vector<at::Tensor>& parts) {
      const at::Tensor rows_mD = all(parts, no_rows);
      return is_in_order ? rows_mD : rows_mD.index_select(0, rows_on_device);
    };
    gathered.features.image_nD = in_order(image_);
    gathered.features.text_nD = in_order(text_);
    return gathered;
  }

 private:
  std::vector<at::Tensor> places_, indices_, image_, text_;
};

// The sum of finite unit vectors is finite, and needs no memory of their size.
void require_finite(const at::Tensor& features_nD, const char* modality) {
  if (features_nD.sum().isfinite().item<bool>()) return;
  throw_user_error("the {} features of an episode are not finite: training has become unstable before it",
                   modality);
}

double sum_of(const NamedNumbers& metrics, const std::string& prefix) {
  double sum = 0;
  for (const auto& [name, value] : metrics) sum += name.starts_with(prefix) ? value : 0;
  return sum;
}

double modality_gap(const EpisodeFeatures& features) {
  return (features.image_nD.mean(0) - features.text_nD.mean(0)).norm().item<double>();
}

// A picture is not worth a run.
std::optional<EpisodePicture> picture_of(const EpisodeFeatures& features, const EpisodePrototypes& prototypes,
                                         std::int64_t episode) {
  try {
    std::optional<EpisodePicture> picture = draw_episode(features, prototypes);
    if (picture) picture->episode = episode;
    return picture;
  } catch (const std::exception& error) {
    log_warning("train", "the picture of episode {} is left out: {}", episode, error.what());
    return std::nullopt;
  }
}

}  // namespace

NamedTensors random_episode(const ProtoClipConfig& config, std::int64_t episode, std::int64_t samples) {
  const std::int64_t clusters = config.prototypes_of(config.samples_of_episode(samples));
  const auto targets = [&](bool is_soft) {
    const auto prototypes = [&] {
      return unit_rows(at::randn({clusters, config.projection_dim}, at::kFloat));
    };
    PrototypeTargets random{.labels_E = at::randint(clusters, {samples}, at::kLong),
                            .prototypes_KD = prototypes(),
                            .expected_KD = {}};
    random.expected_KD = is_soft && config.target_temperature
                             ? random.prototypes_KD.index_select(0, at::randperm(clusters, at::kLong))
                             : random.prototypes_KD;
    return random;
  };
  EpisodePrototypes prototypes;
  prototypes.image = targets(true);
  prototypes.text = targets(true);
  if (config.teacher) {
    prototypes.image_by_teacher = targets(false);
    prototypes.text_by_teacher = targets(false);
  }
  NamedTensors state = {{kPrefix + kEpisode, at::scalar_tensor(episode, at::kLong)}};
  add_with_prefix(state, kPrefix + kPrototypes, prototypes.state());
  return state;
}

ProjectionHeads::ProjectionHeads(const ProtoClipConfig& config, std::int64_t embed_dim, std::uint64_t seed)
    : image(nullptr),
      text(make_head(config, embed_dim, seed)),
      logit_scale(at::scalar_tensor(std::log(config.inv_tau), at::kFloat).requires_grad_()) {
  image = copy_of(text);
  if (config.initial_gap > 0) image->add_constant_vector(config.initial_gap);
}

void ProjectionHeads::to(c10::Device device) {
  image->to(device);
  text->to(device);
  logit_scale = logit_scale.detach().to(device).requires_grad_();
}

ProtoClipTask::ProtoClipTask(std::unique_ptr<ContrastiveTask> contrastive, DualEncoder model,
                             ProjectionHeads heads, const ProtoClipOptions& options,
                             const Collectives& collectives, c10::Device device)
    : contrastive_(std::move(contrastive)),
      model_(std::move(model)),
      heads_(std::move(heads)),
      options_(options),
      collectives_(collectives),
      device_(device),
      prototypes_(std::make_unique<EpisodePrototypes>()) {
  if (!options.syncs_batch_norms) return;
  synchronize_batch_norms(*heads_.image, collectives);
  synchronize_batch_norms(*heads_.text, collectives);
}

ProtoClipTask::~ProtoClipTask() = default;

TrainedParameters ProtoClipTask::parameters() const {
  TrainedParameters parameters = contrastive_->parameters();
  const auto add = [&](const std::string& head, const torch::nn::Module& module) {
    for (const auto& parameter : module.named_parameters()) {
      parameters.emplace(kPrefix + head + parameter.key(),
                         TrainedParameter{.tensor = parameter.value(), .is_projection_head = true});
    }
  };
  add(kImageHead, *heads_.image);
  add(kTextHead, *heads_.text);
  parameters.emplace(kPrefix + kLogitScaleName,
                     TrainedParameter{.tensor = heads_.logit_scale, .is_exempt_from_decay = true});
  return parameters;
}

// Unit features, and unit features of the head.
std::pair<at::Tensor, at::Tensor> ProtoClipTask::encode_images(const at::Tensor& images_BCHW) {
  RECORD_USER_SCOPE("encode images");
  const ImageFeatureStages stages =
      model_->encode_image(copy_to_device(images_BCHW, device_), {FeatureStage::raw});
  return {stages.unit_BD, project(heads_.image, stages.raw_BD)};
}

std::pair<at::Tensor, at::Tensor> ProtoClipTask::encode_texts(const at::Tensor& tokens_BL,
                                                              const at::Tensor& end_positions_B) {
  RECORD_USER_SCOPE("encode texts");
  // Without rows the towers have nothing to compute, but the heads may take part in the statistics of other ranks.
  const at::Tensor raw_BD = tokens_BL.size(0) > 0
                                ? model_->encode_text_raw(tokens_BL, end_positions_B)
                                : contrastive_->no_rows(model_->config().embed_dim, !options_.text_is_frozen);
  return {unit_rows(raw_BD), project(heads_.text, raw_BD)};
}

// Without prototypes a head learns nothing but its running statistics, which the first extraction needs.
at::Tensor ProtoClipTask::project(ProjectionHead& head, const at::Tensor& raw_BD) const {
  const at::AutoGradMode learns(c10::GradMode::is_enabled() && prototypes_->are_defined());
  return unit_rows(head->forward(raw_BD));
}

RowOutputs ProtoClipTask::encode(const Batch& batch, RowRange rows, EncodePass) {
  if (rows.count == 0 && !encodes_collectively()) return no_rows();
  const auto cut = [&](const at::Tensor& inputs) { return inputs.narrow(0, rows.first, rows.count); };
  auto [image_BD, projected_image_BD] = encode_images(cut(batch.images_BCHW));
  auto [text_BD, projected_text_BD] = encode_texts(cut(batch.tokens_BL), cut(batch.end_positions_B));
  return {{std::move(image_BD), !options_.image_is_frozen},
          {std::move(text_BD), !options_.text_is_frozen},
          {std::move(projected_image_BD), prototypes_->are_defined()},
          {std::move(projected_text_BD), prototypes_->are_defined()}};
}

RowOutputs ProtoClipTask::no_rows() const {
  const bool heads_learn = prototypes_->are_defined();
  const std::int64_t dim = model_->config().embed_dim, projected = options_.config.projection_dim;
  RowOutputs outputs;
  const auto add = [&](std::int64_t width, bool is_trained) {
    outputs.push_back({contrastive_->no_rows(width, is_trained), is_trained});
  };
  add(dim, !options_.image_is_frozen);
  add(dim, !options_.text_is_frozen);
  add(projected, heads_learn);
  add(projected, heads_learn);
  return outputs;
}

LossOutput ProtoClipTask::loss(const RowOutputs& outputs, const Batch& batch, std::int64_t step) const {
  LossOutput output = contrastive_->loss({outputs[0], outputs[1]}, batch, step);
  output.terms.emplace_back("loss_clip", output.loss.detach());
  if (!prototypes_->are_defined()) return output;
  RECORD_USER_SCOPE("prototype loss");
  CLOOB_CHECK(batch.epoch == episode_, "a batch of episode {}, and prototypes of episode {}", batch.epoch,
              episode_);
  const ProtoClipConfig& config = options_.config;
  const at::Tensor inv_tau = heads_.logit_scale.exp();
  const at::Tensor &image_BD = outputs[2].rows, &text_BD = outputs[3].rows;
  const PrototypeLosses losses(batch, inv_tau, count_rows(image_BD, collectives_), device_);
  NamedScalars& terms = output.terms;
  const at::Tensor loss_proto =
      0.5 * (losses.of(image_BD, prototypes_->image, "prototype_accuracy_image", terms) +
             losses.of(text_BD, prototypes_->text, "prototype_accuracy_text", terms));
  terms.emplace_back("loss_proto", loss_proto.detach());
  output.loss = config.w_clip * output.loss + config.w_proto * loss_proto;
  if (!prototypes_->image_by_teacher) return output;
  const at::Tensor loss_teacher =
      0.5 * (losses.of(image_BD, *prototypes_->image_by_teacher, "teacher_accuracy_image", terms) +
             losses.of(text_BD, *prototypes_->text_by_teacher, "teacher_accuracy_text", terms));
  terms.emplace_back("loss_teacher", loss_teacher.detach());
  output.loss = output.loss + config.w_teacher * loss_teacher;
  return output;
}

bool ProtoClipTask::is_clustered(const EpochData& data) const {
  const ProtoClipConfig& config = options_.config;
  return config.uses_prototypes() && data.epoch >= config.warmup_episodes &&
         data.epoch < data.num_epochs - config.locked_image_episodes;
}

EpochReport ProtoClipTask::begin_epoch(const EpochData& data) {
  const ProtoClipConfig& config = options_.config;
  // Opened also when it is not used yet: an error is not to wait for hours.
  std::optional<TeacherFeatures> teacher;
  if (config.teacher) teacher.emplace(TeacherFeatures::open(*config.teacher, *data.source));
  auto prototypes = std::make_unique<EpisodePrototypes>();
  EpochReport report;
  if (is_clustered(data)) {
    NamedNumbers& metrics = report.metrics;
    const Timer extraction;
    EpisodeFeatures features = extract(data, teacher ? &*teacher : nullptr);
    metrics.emplace_back("episode/seconds_extract", extraction.seconds());
    const Timer clustering;
    const std::int64_t episode = data.order.size();
    *prototypes = make_prototypes(features, config,
                                  {.episode = episode,
                                   .clusters = config.prototypes_of(episode),
                                   .between_iterations = data.check_stop},
                                  data.collectives, metrics);
    metrics.emplace_back("episode/kmeans_objective", sum_of(metrics, "episode/kmeans_objective_"));
    metrics.emplace_back("episode/seconds_cluster", clustering.seconds());
    metrics.emplace_back("episode/modality_gap", modality_gap(features));
    if (data.collectives.rank() == 0) report.picture = picture_of(features, *prototypes, data.epoch);
  }
  prototypes_ = std::move(prototypes);
  episode_ = data.epoch;
  return report;
}

// In evaluation mode, with the running statistics of rank 0, as in an evaluation.
EpisodeFeatures ProtoClipTask::extract(const EpochData& data, const TeacherFeatures* teacher) {
  const at::NoGradGuard no_grad;
  const EvalMode eval_model(*model_), eval_image(*heads_.image), eval_text(*heads_.text);
  data.collectives.broadcast(buffers());
  ExtractedRows rows;
  const Purpose transform =
      options_.config.extraction == ExtractionTransform::training ? Purpose::training : Purpose::evaluation;
  data.for_each_batch(PassOver::epoch, transform, [&](const Batch& batch) {
    if (batch.size() == 0) return;
    const Autocast autocast(device_.type(), options_.precision);
    const at::Tensor image_BD = encode_images(batch.images_BCHW).second;
    const at::Tensor text_BD = encode_texts(batch.tokens_BL, batch.end_positions_B).second;
    rows.add(batch, image_BD, text_BD);
  });
  ExtractedRows::Gathered gathered = rows.gather(options_.config.projection_dim,
                                                 heads_.logit_scale.scalar_type(), device_, data.collectives);
  EpisodeFeatures& features = gathered.features;
  require_finite(features.image_nD, "image");
  require_finite(features.text_nD, "text");
  if (teacher != nullptr) {
    const at::Tensor& indices_n = gathered.indices_n;
    features.teacher_nX =
        teacher->rows({indices_n.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(indices_n.numel())})
            .to(device_);
  }
  return std::move(features);
}

// Has no effect if the update was skipped on the device: the scales were within their bounds before.
void ProtoClipTask::after_update() {
  contrastive_->after_update();
  clamp_logit_scale(heads_.logit_scale, options_.logit_scale_bounds);
}

Batch ProtoClipTask::to_static_shape(const Batch&) const {
  throw_user_error("train.cuda_graph is not available with task.kind protoclip: set it to false");
}

NamedScalars ProtoClipTask::scalars() const {
  NamedScalars scalars = contrastive_->scalars();
  scalars.emplace_back("prototype_logit_scale", heads_.logit_scale.detach().exp());
  return scalars;
}

NamedTensors ProtoClipTask::tensors_of_heads() const {
  NamedTensors tensors;
  add_with_prefix(tensors, kImageHead, weights_of(*heads_.image));
  add_with_prefix(tensors, kTextHead, weights_of(*heads_.text));
  tensors.emplace(kLogitScaleName, heads_.logit_scale.detach());
  return tensors;
}

NamedTensors ProtoClipTask::buffers() const {
  NamedTensors buffers = contrastive_->buffers();
  const auto add = [&](const std::string& head, const torch::nn::Module& module) {
    for (const auto& buffer : module.named_buffers())
      buffers.emplace(kPrefix + head + buffer.key(), buffer.value());
  };
  add(kImageHead, *heads_.image);
  add(kTextHead, *heads_.text);
  return buffers;
}

NamedTensors ProtoClipTask::state() const {
  NamedTensors own = tensors_of_heads();
  add_with_prefix(own, kPrototypes, prototypes_->state());
  own.emplace(kEpisode, at::scalar_tensor(episode_, at::kLong));
  NamedTensors state = contrastive_->state();
  add_with_prefix(state, kPrefix, own);
  return state;
}

void ProtoClipTask::load(const NamedTensors& weights, const NamedTensors& state) {
  const NamedTensors own = with_prefix_removed(state, kPrefix);
  const auto episode = own.find(kEpisode);
  if (episode == own.end() || episode->second.numel() != 1) {
    throw_user_error(
        "the checkpoint has no projection heads: it was not written by task.kind protoclip. Start from its weights "
        "(train.initial_weights), or set task.kind to contrastive");
  }
  const at::NoGradGuard no_grad;
  EpisodePrototypes prototypes =
      EpisodePrototypes::from_state(with_prefix_removed(own, kPrototypes), device_);
  load_weights(*heads_.image, with_prefix_removed(own, kImageHead),
               "the checkpoint's image head (protoclip.projection_*)");
  load_weights(*heads_.text, with_prefix_removed(own, kTextHead),
               "the checkpoint's text head (protoclip.projection_*)");
  const auto scale = own.find(kLogitScaleName);
  if (scale == own.end() || scale->second.numel() != 1)
    throw_user_error("the checkpoint lacks '{}{}'", kPrefix, kLogitScaleName);
  heads_.logit_scale.copy_(scale->second.reshape_as(heads_.logit_scale));
  NamedTensors rest = state;
  std::erase_if(rest, [](const auto& item) { return item.first.starts_with(kPrefix); });
  contrastive_->load(weights, rest);
  *prototypes_ = std::move(prototypes);
  episode_ = episode->second.item<std::int64_t>();
}

}  // namespace cloob

#include "cloob/task/reco_task.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/record_function.h>
#include <c10/core/GradMode.h>
#include <fmt/core.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/log.h"
#include "cloob/base/prefixed_tensors.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"
#include "cloob/device/streams.h"
#include "cloob/model/weights.h"
#include "task/refined_model.h"
#include "task/refiner.h"
#include "task/training_features.h"

namespace cloob {
namespace {

const std::string kPrefix = "reco.";
const std::string kLogitScaleName = "logit_scale";
const std::string kMemoryName = "memory_hash";
const std::string kObjectivePrefix = "objective.";

DualEncoder frozen(DualEncoder model) {
  for (at::Tensor& parameter : model->parameters()) parameter.set_requires_grad(false);
  model->eval();
  return model;
}

Initializer fusion_initializer(std::uint64_t seed) {
  constexpr std::uint64_t kFusion = 3;  // others than the numbers of towers and projection heads
  return Initializer::random(mix_bits({seed, kFusion}));
}

std::shared_ptr<Refiner> make_refiner(const RecoTaskOptions& options, std::int64_t dims,
                                      std::shared_ptr<const PairMemory> memory, c10::Device device) {
  Initializer initializer = fusion_initializer(options.seed);
  auto refiner = std::make_shared<Refiner>(options.config, dims, std::move(memory), initializer);
  refiner->to(device);
  return refiner;
}

// How training samples are encoded, besides by which model.
std::string describe_encoding(const RecoTaskOptions& options) {
  std::string text = fmt::format("precision {}, {} captions", enum_name(options.precision),
                                 enum_name(options.caption_choice));
  if (options.caption_choice != CaptionChoice::first) text += fmt::format(" of seed {}", options.seed);
  return text;
}

double mean_neighbors(const TrainingFeatures& features) {
  const at::Tensor rows_nK = at::cat({features.image_rows_nK, features.text_rows_nK});
  return rows_nK.size(0) == 0 ? 0 : rows_nK.ge(0).sum(1).to(at::kDouble).mean().item<double>();
}

void warn_of_few_neighbors(double neighbors, std::int64_t pairs, const RecoConfig& config) {
  if (neighbors >= 1) return;
  log_warning(
      "reco",
      "a training pair retrieves {:.2g} pairs in the mean (reco.k is {}, the memory has {}): the others are left out, as the pair "
      "itself or nearly (reco.exclude_similarity is {}). If captions or images repeat without being copies, set it above 1",
      neighbors, config.k, with_thousands(pairs), config.exclude_similarity);
}

// The share of training pairs, a sample of them, that retrieve a pair with their image and their text, which has another key.
double share_with_copies(const TrainingFeatures& features, const PairMemory& memory) {
  constexpr std::int64_t kMostSamples = 1024;
  constexpr double kSame = 0.9999;  // but for rounding
  const std::int64_t all = features.indices_n.numel(), count = std::min(kMostSamples, all);
  if (count == 0) return 0;
  const at::Tensor sample_c = (at::arange(count, at::kLong) * all).floor_divide(count);
  const at::Tensor rows_cK = at::cat(
      {features.image_rows_nK.index_select(0, sample_c), features.text_rows_nK.index_select(0, sample_c)},
      /*dim=*/1);
  const auto is_same = [&](Modality modality, const at::Tensor& own_nD) {
    const at::Tensor own_cD1 = own_nD.index_select(0, sample_c).to(at::kFloat).unsqueeze(2);
    return memory.features(modality, rows_cK).matmul(own_cD1).squeeze(2).ge(kSame);
  };
  const at::Tensor is_copy_cK =
      is_same(Modality::image, features.image_nD).logical_and_(is_same(Modality::text, features.text_nD));
  return is_copy_cK.any(/*dim=*/1).to(at::kDouble).mean().item<double>();
}

void warn_of_copies(double share, const RecoConfig& config) {
  constexpr double kTolerated = 0.01;
  if (share <= kTolerated) return;
  log_warning(
      "reco",
      "{:.0f} % of the training pairs retrieve a pair with the same image and text, which tells the answer: the memory has "
      "them under other keys. Set reco.exclude_similarity, which is {}, to 0.999 or less, or build the memory from the files "
      "that are trained on",
      100 * share, config.exclude_similarity);
}

}  // namespace

std::int64_t memory_hash(const PairMemory& memory) {
  return static_cast<std::int64_t>(hash_text(memory.identity(), 0) >> 1U);
}

std::optional<std::int64_t> saved_memory_hash(const NamedTensors& state) {
  const auto saved = state.find(kPrefix + kMemoryName);
  if (saved == state.end() || saved->second.numel() != 1) return std::nullopt;
  return saved->second.to(at::kLong).item<std::int64_t>();
}

struct RecoTask::Training {
  TrainingFeatures features;
  at::Tensor row_of_sample_S;  // -1 for unusable samples

  at::Tensor rows_of(const Batch& batch) const {
    return row_of_sample_S.index_select(0, at::tensor(batch.indices, at::kLong));
  }
};

RecoTask::RecoTask(DualEncoder model, ContrastiveObjective objective, const PairMemories& memories,
                   const RecoTaskOptions& options, const Collectives& collectives, c10::Device device)
    : model_(frozen(std::move(model))),
      objective_(std::move(objective)),
      options_(options),
      collectives_(collectives),
      device_(device),
      memory_(memories.training),
      refiner_(make_refiner(options, model_->config().embed_dim, memories.training, device)),
      logit_scale_((options.fixed_inv_tau
                        ? at::full_like(model_->logit_scale().detach(), std::log(*options.fixed_inv_tau))
                        : model_->logit_scale().detach().clone())
                       .requires_grad_(!options.fixed_inv_tau)),
      towers_(
          model_, objective_, [this] { return LogitScaling(inv_tau()); }, device),
      refined_(std::make_unique<RefinedModel>(
          towers_, memories.evaluation ? refiner_->with_memory(memories.evaluation) : refiner_)) {
  require_something_to_train();
}

RecoTask::~RecoTask() = default;

TrainedParameters RecoTask::parameters() const {
  TrainedParameters parameters = model_->trained_parameters();
  for (const auto& [name, tensor] : objective_.parameters())
    parameters.emplace(name, TrainedParameter{.tensor = tensor, .is_exempt_from_decay = true});
  for (const auto& [name, parameter] : refiner_->parameters()) parameters.emplace(kPrefix + name, parameter);
  parameters.emplace(kPrefix + kLogitScaleName,
                     TrainedParameter{.tensor = logit_scale_, .is_exempt_from_decay = true});
  return parameters;
}

bool RecoTask::has_begun(std::int64_t /*epoch*/) const { return training_ != nullptr; }

EpochReport RecoTask::begin_epoch(const EpochData& data) {
  if (training_ != nullptr) return {};
  std::optional<TrainingFeatureCache> cache;
  warn_of_another_memory();
  if (options_.config.cache && refiner_->uses_memory())
    cache.emplace(*options_.config.cache, *data.source, *memory_, options_.config,
                  describe_encoding(options_));
  EpochReport report;
  std::optional<TrainingFeatures> features = cache ? cache->read(data.collectives) : std::nullopt;
  if (features) {
    log_info("reco", "features and neighbors of {} are those of '{}'",
             counted(features->indices_n.numel(), "training sample"), cache->file().string());
  } else {
    features = encode_all(data, report);
    if (cache && data.collectives.rank() == 0) cache->write(*features);
  }
  report.metrics.emplace_back("reco/samples", static_cast<double>(features->indices_n.numel()));
  if (refiner_->uses_memory()) {
    const double neighbors = mean_neighbors(*features);
    report.metrics.emplace_back("reco/neighbors", neighbors);
    const double copies = share_with_copies(*features, *memory_);
    report.metrics.emplace_back("reco/share_with_copies", copies);
    if (data.collectives.rank() == 0 && features->indices_n.numel() > 0) {
      warn_of_few_neighbors(neighbors, memory_->size(), options_.config);
      warn_of_copies(copies, options_.config);
    }
  }
  training_ = std::make_unique<Training>(
      Training{.features = *features, .row_of_sample_S = rows_of_samples(*features, data.source->size())});
  return report;
}

void RecoTask::begin_with_random(std::int64_t num_samples) {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(options_.seed);
  const auto features = [&] {
    const at::Tensor rows_nD = at::empty({num_samples, model_->config().embed_dim}).normal_(0, 1, generator);
    return rows_nD / rows_nD.norm(2, 1, /*keepdim=*/true);
  };
  const auto neighbors = [&] {
    const bool has_any = refiner_->uses_memory();
    const at::Tensor rows_nK = at::empty({num_samples, has_any ? options_.config.k : 0}, at::kLong);
    return has_any ? rows_nK.random_(memory_->size(), generator) : rows_nK;
  };
  TrainingFeatures random{.indices_n = at::arange(num_samples, at::kLong),
                          .image_nD = features(),
                          .text_nD = features(),
                          .image_rows_nK = neighbors(),
                          .text_rows_nK = neighbors()};
  const at::Tensor row_of_sample_S = rows_of_samples(random, num_samples);
  training_ =
      std::make_unique<Training>(Training{.features = std::move(random), .row_of_sample_S = row_of_sample_S});
}

void RecoTask::require_something_to_train() const {
  for (const auto& [name, parameter] : parameters()) {
    if (parameter.tensor.requires_grad()) return;
  }
  throw_user_error(
      "nothing is trained: reco.fusion mean has no parameters, and loss.learn_inv_tau is false; 'cloob eval ... --memory' "
      "evaluates with the mean without a run");
}

std::int64_t RecoTask::memory_hash() const {
  return refiner_->uses_memory() ? cloob::memory_hash(*memory_) : 0;
}

void RecoTask::warn_of_another_memory() const {
  if (!refiner_->uses_memory() || !saved_memory_hash_ || *saved_memory_hash_ == memory_hash()) return;
  log_warning(
      "reco",
      "{} does not have the pairs that it had when the checkpoint was written: training goes on with those that it has now",
      memory_->describe());
}

TrainingFeatures RecoTask::encode_all(const EpochData& data, EpochReport& report) {
  const at::NoGradGuard no_grad;
  const Timer timer;
  std::vector<at::Tensor> indices, images, texts, image_rows, text_rows;
  double seconds_retrieve = 0;
  data.for_each_batch(PassOver::all_samples, Purpose::evaluation, [&](const Batch& batch) {
    if (batch.size() == 0) return;
    const auto [image_BD, text_BD] = [&] {
      const Autocast autocast(device_.type(), options_.precision);
      return std::pair(towers_.encode_image(copy_to_device(batch.images_BCHW, device_), {}).unit_BD,
                       towers_.encode_text(batch.tokens_BL, batch.end_positions_B));
    }();
    const LeftOutPairs left_out{.keys = batch.keys,
                                .image_QD = image_BD.to(at::kCPU, at::kFloat),
                                .text_QD = text_BD.to(at::kCPU, at::kFloat),
                                .similarity = options_.config.exclude_similarity};
    const Timer retrieval;
    image_rows.push_back(refiner_->nearest(Modality::image, image_BD, &left_out));
    text_rows.push_back(refiner_->nearest(Modality::text, text_BD, &left_out));
    seconds_retrieve += retrieval.seconds();
    indices.push_back(at::tensor(batch.indices, at::kLong));
    images.push_back(image_BD.to(at::kCPU));
    texts.push_back(text_BD.to(at::kCPU));
  });
  const std::int64_t k = image_rows.empty() ? 0 : image_rows.front().size(1);
  const auto columns = static_cast<std::int64_t>(data.collectives.max(static_cast<double>(k)));
  const at::Tensor no_rows = at::empty({0, columns}, at::kLong);
  const at::Tensor no_features = at::empty({0, model_->config().embed_dim}, logit_scale_.scalar_type());
  const auto joined = [](std::vector<at::Tensor>& parts, const at::Tensor& none) {
    const at::Tensor rows = parts.empty() ? none : at::cat(parts);
    parts.clear();
    return rows;
  };
  TrainingFeatures features = gather({.indices_n = joined(indices, at::empty({0}, at::kLong)),
                                      .image_nD = joined(images, no_features),
                                      .text_nD = joined(texts, no_features),
                                      .image_rows_nK = joined(image_rows, no_rows),
                                      .text_rows_nK = joined(text_rows, no_rows)},
                                     device_, data.collectives);
  report.metrics.emplace_back("reco/seconds_encode", timer.seconds() - seconds_retrieve);
  report.metrics.emplace_back("reco/seconds_retrieve", seconds_retrieve);
  return features;
}

// The loss leaves out the rows of unusable samples, whatever they are.
RowOutputs RecoTask::encode(const Batch& batch, RowRange rows, EncodePass pass) {
  CLOOB_CHECK(training_ != nullptr, "no epoch has begun");
  const TrainingFeatures& training = training_->features;
  const at::Tensor own_B = training_->rows_of(batch).narrow(0, rows.first, rows.count).clamp_min(0);
  const bool has_any = training.image_nD.size(0) > 0;
  RowOutputs outputs;
  std::vector<RowOutput> frozen_outputs;
  const auto add = [&](Modality modality, const at::Tensor& features_nD, const at::Tensor& neighbors_nK) {
    const at::Tensor chosen_B = has_any ? own_B : own_B.narrow(0, 0, 0);
    const at::Tensor features_BD = copy_to_device(features_nD.index_select(0, chosen_B), device_);
    // A rank without samples has a gradient as well, so that its backward pass makes the same collective calls.
    outputs.push_back({chosen_B.numel() > 0
                           ? refiner_->fuse(modality, features_BD, neighbors_nK.index_select(0, chosen_B))
                           : features_BD.clone().requires_grad_(c10::GradMode::is_enabled()),
                       true});
    frozen_outputs.push_back({pass == EncodePass::first ? features_BD : at::Tensor(), false});
  };
  RECORD_USER_SCOPE("fuse");
  add(Modality::image, training.image_nD, training.image_rows_nK);
  add(Modality::text, training.text_nD, training.text_rows_nK);
  outputs.insert(outputs.end(), frozen_outputs.begin(), frozen_outputs.end());
  return outputs;
}

LossOutput RecoTask::loss(const RowOutputs& outputs, const Batch& batch, std::int64_t step) const {
  RECORD_USER_SCOPE("objective");
  const at::Tensor rows_B = training_->rows_of(batch);
  const at::Tensor is_usable_B = rows_B.ge(0);
  const at::Tensor usable_n = is_usable_B.nonzero().squeeze(1).to(device_);
  const bool are_all_usable = usable_n.numel() == rows_B.numel();
  const auto usable = [&](std::size_t output) {
    const at::Tensor& rows = outputs[output].rows;
    return are_all_usable ? rows : rows.index_select(0, usable_n);
  };
  const at::Tensor refined_image = usable(0), refined_text = usable(1), image = usable(2), text = usable(3);
  const double fraction = objective_.retrieved_fraction_at(step);
  const at::Tensor inv_tau = this->inv_tau();
  const auto compare = [&](const at::Tensor& image_BD, const at::Tensor& text_BD) {
    return objective_.evaluate(image_BD, text_BD, inv_tau, collectives_, fraction);
  };
  const at::Tensor both = compare(refined_image, refined_text), image_only = compare(refined_image, text),
                   text_only = compare(image, refined_text);
  return {.loss = both + image_only + text_only,
          .terms = {{"loss_refined", both.detach()},
                    {"loss_refined_image", image_only.detach()},
                    {"loss_refined_text", text_only.detach()}}};
}

// Has no effect if the update was skipped on the device: the scale was within its bounds before.
void RecoTask::after_update() {
  if (logit_scale_.requires_grad()) clamp_logit_scale(logit_scale_, options_.logit_scale_bounds);
}

Batch RecoTask::to_static_shape(const Batch&) const {
  throw_user_error("train.cuda_graph is not available with task.kind reco: set it to false");
}

NamedScalars RecoTask::scalars() const {
  NamedScalars scalars = {{"logit_scale", inv_tau().detach()}};
  if (!objective_.parameters().empty()) scalars.emplace_back("beta", objective_.beta().detach());
  return scalars;
}

std::optional<double> RecoTask::chance_loss(std::int64_t num_samples) const {
  constexpr double kTerms = 3;
  return kTerms * objective_.chance_loss(num_samples, inv_tau().item<double>());
}

NamedTensors RecoTask::weights() const { return weights_of(model_); }

NamedTensors RecoTask::own_tensors() const {
  NamedTensors tensors = refiner_->weights();
  tensors.emplace(kLogitScaleName, logit_scale_.detach());
  tensors.emplace(kMemoryName, at::full({1}, memory_hash(), at::TensorOptions(at::kLong).device(device_)));
  return tensors;
}

NamedTensors RecoTask::state() const {
  NamedTensors state;
  add_with_prefix(state, kObjectivePrefix, objective_.parameters());
  add_with_prefix(state, kPrefix, own_tensors());
  return state;
}

void RecoTask::load(const NamedTensors& weights, const NamedTensors& state) {
  NamedTensors own = with_prefix_removed(state, kPrefix);
  const auto scale = own.find(kLogitScaleName);
  if (scale == own.end() || scale->second.numel() != 1) {
    throw_user_error(
        "the checkpoint has no fusion: it was not written by task.kind reco; start from its weights (train.initial_weights)");
  }
  if (weights.contains(kLogitBias) && !model_->logit_bias().defined()) {
    model_->add_logit_bias(0);
    model_ = frozen(model_);
  }
  load_weights(model_, weights, "the checkpoint");
  const at::NoGradGuard no_grad;
  if (!options_.fixed_inv_tau) logit_scale_.detach().copy_(scale->second.reshape(logit_scale_.sizes()));
  own.erase(scale);
  saved_memory_hash_ = saved_memory_hash(state);
  own.erase(kMemoryName);
  refiner_->load(own);
  objective_.load_state(with_prefix_removed(state, kObjectivePrefix));
}

FeatureModel& RecoTask::feature_model() { return *refined_; }

}  // namespace cloob

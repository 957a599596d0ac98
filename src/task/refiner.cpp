#include "task/refiner.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/prefixed_tensors.h"
#include "cloob/device/streams.h"
#include "cloob/model/weights.h"

namespace cloob {
namespace {

constexpr const char* kImage = "image_fusion.";
constexpr const char* kText = "text_fusion.";
constexpr const char* kShared = "fusion.";

FusionOptions fusion_options(const RecoConfig& config, std::int64_t dims) {
  return {.kind = config.fusion,
          .dim = dims,
          .layers = config.layers,
          .heads = config.heads_of(dims),
          .mlp_ratio = config.mlp_ratio,
          .type_embedding = config.type_embedding,
          .mean_weight = config.mean_weight};
}

}  // namespace

Refiner::Refiner(const RecoConfig& config, std::int64_t dims, std::shared_ptr<const PairMemory> memory,
                 Initializer& initializer)
    : config_(config),
      image_(fusion_options(config, dims), initializer),
      text_(config.share_fusion ? image_ : Fusion(fusion_options(config, dims), initializer)) {
  set_memory(std::move(memory), dims);
}

void Refiner::set_memory(std::shared_ptr<const PairMemory> memory, std::int64_t dims) {
  if (!uses_memory()) return;
  if (memory == nullptr) {
    throw_user_error(
        "task.kind reco retrieves from a memory, but reco.memory is not set: name a folder that 'cloob memory build' "
        "has made (a command that evaluates: --memory)");
  }
  if (memory->dims() != dims) {
    throw_user_error("{} has features of {} dimensions, but the model has {}: it is of another model",
                     memory->describe(), memory->dims(), dims);
  }
  memory_ = std::move(memory);
}

std::shared_ptr<Refiner> Refiner::with_memory(std::shared_ptr<const PairMemory> memory) const {
  auto other = std::make_shared<Refiner>(*this);
  other->set_memory(std::move(memory), image_->options().dim);
  return other;
}

at::Tensor Refiner::nearest(Modality modality, const at::Tensor& query_BD,
                            const LeftOutPairs* left_out) const {
  if (!memory_) return at::empty({query_BD.size(0), 0}, at::kLong);
  return memory_->nearest(searched_for(modality), query_BD.detach().to(at::kCPU, at::kFloat), config_.k,
                          left_out);
}

at::Tensor Refiner::fuse(Modality modality, const at::Tensor& query_BD, const at::Tensor& rows_BK) const {
  const at::Tensor retrieved_BKD =
      memory_ ? copy_to_device(memory_->features(fused_for(modality), rows_BK), query_BD.device())
              : at::empty({query_BD.size(0), 0, query_BD.size(1)}, query_BD.options());
  const at::Tensor counts_B = rows_BK.ge(0).sum(/*dim=*/1);
  const Fusion& fusion = modality == Modality::image ? image_ : text_;
  return fusion->forward(query_BD, retrieved_BKD, counts_B);
}

Refinement Refiner::explain(Modality modality, const at::Tensor& query_1D) const {
  CLOOB_CHECK(memory_ != nullptr && query_1D.size(0) == 1, "one query, and a memory");
  const at::Tensor nearest_1K = nearest(modality, query_1D, nullptr);
  const at::Tensor rows_K = nearest_1K[0].masked_select(nearest_1K[0].ge(0));
  const std::int64_t num_pairs = rows_K.numel();
  // The first sequence has all pairs; each of the others lacks one, and is padded.
  const at::Tensor sequences_SK = at::full({num_pairs + 1, num_pairs}, -1, at::kLong);
  sequences_SK[0].copy_(rows_K);
  for (std::int64_t pair = 0; pair < num_pairs; ++pair) {
    const at::Tensor sequence_K = sequences_SK[pair + 1];
    sequence_K.narrow(0, 0, pair).copy_(rows_K.narrow(0, 0, pair));
    const std::int64_t after = num_pairs - pair - 1;
    sequence_K.narrow(0, pair, after).copy_(rows_K.narrow(0, pair + 1, after));
  }
  const at::Tensor refined_SD =
      fuse(modality, query_1D.expand({num_pairs + 1, query_1D.size(1)}), sequences_SK);
  const auto* const rows = rows_K.const_data_ptr<std::int64_t>();
  return {.refined_1D = refined_SD.narrow(0, 0, 1),
          .rows = {rows, rows + num_pairs},
          .similarity_K =
              memory_->features(searched_for(modality), rows_K).mv(query_1D[0].to(at::kCPU, at::kFloat)),
          .without_KD = refined_SD.narrow(0, 1, num_pairs)};
}

void Refiner::to(c10::Device device) {
  image_->to(device);
  text_->to(device);
}

TrainedParameters Refiner::parameters() const {
  TrainedParameters parameters;
  const auto add = [&](const std::string& prefix, const torch::nn::Module& module) {
    for (const auto& parameter : module.named_parameters())
      parameters.emplace(prefix + parameter.key(), TrainedParameter{.tensor = parameter.value()});
  };
  if (config_.share_fusion) {
    add(kShared, *image_);
  } else {
    add(kImage, *image_);
    add(kText, *text_);
  }
  return parameters;
}

NamedTensors Refiner::weights() const {
  NamedTensors weights;
  if (config_.share_fusion) {
    add_with_prefix(weights, kShared, weights_of(*image_));
  } else {
    add_with_prefix(weights, kImage, weights_of(*image_));
    add_with_prefix(weights, kText, weights_of(*text_));
  }
  return weights;
}

void Refiner::load(const NamedTensors& weights) {
  const auto load = [&](const char* prefix, torch::nn::Module& module) {
    load_weights(module, with_prefix_removed(weights, prefix), "the checkpoint's fusion", "reco");
  };
  if (config_.share_fusion) {
    load(kShared, *image_);
  } else {
    load(kImage, *image_);
    load(kText, *text_);
  }
}

}  // namespace cloob

#include "cloob/retrieval/recall.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/xlogy.h>

#include <algorithm>
#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/nn/initializer.h"
#include "cloob/retrieval/hopfield.h"
#include "cloob/retrieval/hopfield_layer.h"

namespace cloob {

RetrievalRegime regime_of(double entropy, std::int64_t num_stored) {
  constexpr double kMeanFraction = 0.8, kSinglePatterns = 1.1;
  const double num_averaged = std::exp(entropy);
  if (num_averaged < kSinglePatterns) return RetrievalRegime::single;
  return num_averaged > kMeanFraction * static_cast<double>(num_stored) ? RetrievalRegime::mean
                                                                        : RetrievalRegime::metastable;
}

std::string_view regime_name(RetrievalRegime regime) {
  switch (regime) {
    case RetrievalRegime::mean:
      return "mean of all";
    case RetrievalRegime::metastable:
      return "average of several";
    case RetrievalRegime::single:
      return "one pattern";
  }
  return "";
}

Recall measure_recall(const at::Tensor& weights_NM, const at::Tensor& values_MV) {
  const std::int64_t num_states = weights_NM.size(0);
  CLOOB_CHECK(num_states >= 1 && num_states <= weights_NM.size(1) && weights_NM.size(1) == values_MV.size(0),
              "weights of {} x {} for {} values", num_states, weights_NM.size(1), values_MV.size(0));
  const auto mean = [](const at::Tensor& x) { return x.to(at::kDouble).mean().item<double>(); };
  const at::Tensor own_NV = values_MV.narrow(0, 0, num_states);
  const at::Tensor retrieved_NV = at::mm(weights_NM, values_MV);
  const at::Tensor distances_NM =
      values_MV.square().sum(1) -
      2 * at::mm(retrieved_NV, values_MV.t());  // squared, up to a number for each row
  return {
      .entropy = -mean(at::xlogy(weights_NM, weights_NM).sum(1)),
      .own_weight = mean(weights_NM.diagonal()),
      .recovered = 1 - mean((retrieved_NV - own_NV).square()) / mean((values_MV.mean(0) - own_NV).square()),
      .found =
          mean(distances_NM.argmin(1) == at::arange(num_states, distances_NM.options().dtype(at::kLong)))};
}

at::Tensor untrained_weights(const at::Tensor& state_ND, const at::Tensor& stored_MD) {
  constexpr std::int64_t kHiddenSize =
      64;  // the size changes little: logits have a standard deviation of 0.0004 D
  Initializer initializer = Initializer::random(0);
  const Hopfield layer(HopfieldShape{.state_size = state_ND.size(1),
                                     .hidden_size = kHiddenSize,
                                     .project_values = false,
                                     .project_output = false},
                       initializer);
  const c10::NoGradGuard no_grad;
  return layer->weights(state_ND.unsqueeze(0), stored_MD.unsqueeze(0))[0][0];
}

double storage_error(const StorageTrial& trial) {
  constexpr double kMaxDistance = 0.1;
  Initializer random = Initializer::random(trial.seed);
  const at::Tensor stored_MD = unit_rows(random.normal({trial.num_patterns, trial.dim}, 1));
  const std::int64_t num_states = std::min(trial.num_patterns, trial.max_states);
  const at::Tensor asked_ND = stored_MD.narrow(0, 0, num_states);
  const at::Tensor state_ND =
      unit_rows(asked_ND + trial.noise * unit_rows(random.normal({num_states, trial.dim}, 1)));
  const at::Tensor retrieved_ND = hopfield_retrieve(state_ND, stored_MD, trial.beta, /*update_steps=*/1);
  const at::Tensor is_lost_N = (retrieved_ND - asked_ND).norm(2, 1) > kMaxDistance;
  return is_lost_N.to(at::kDouble).mean().item<double>();
}

}  // namespace cloob

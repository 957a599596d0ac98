#include "cloob/checkpoint/import_weights.h"

#include <ATen/core/Tensor.h>
#include <fmt/core.h>

#include <cmath>
#include <optional>
#include <ranges>
#include <set>

#include "checkpoint/weight_names.h"
#include "checkpoint/weights_file.h"

namespace cloob {
namespace {

at::Tensor as_weight(std::string_view name, const at::Tensor& tensor) {
  at::Tensor result = tensor.is_floating_point() ? tensor.to(at::kFloat) : tensor.to(at::kLong);
  if (name == "logit_scale" && result.numel() == 1) result = result.reshape({});
  return result.contiguous();
}

// CLOOB's code of 2021 could learn beta, and stored its logarithm with the weights.
std::optional<std::string> note_on_beta(const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (!name.ends_with("logit_scale_hopfield")) continue;
    if (tensor.numel() != 1 || !tensor.is_floating_point())
      return fmt::format("'{}' is not a weight and was skipped", name);
    return fmt::format("'{}' is not a weight and was skipped; it corresponds to retrieval.beta = {:.6g}",
                       name, std::exp(tensor.item<double>()));
  }
  return std::nullopt;
}

}  // namespace

std::string_view source_name(WeightSource source) {
  switch (source) {
    case WeightSource::openai:
      return "openai";
    case WeightSource::cloob:
      return "cloob";
    case WeightSource::open_clip:
      break;
  }
  return "open_clip";
}

ImportedWeights import_weights(const std::filesystem::path& path) {
  const std::unique_ptr<WeightsFile> file = open_weights(path);
  NamedTensors tensors = file->load();
  const auto names = tensors | std::views::keys;
  const NamePlan plan = plan_names(path, file->format(), std::set<std::string>(names.begin(), names.end()));
  ImportedWeights result{{}, plan.source, "", file->notes(), file->metadata()};
  if (const auto note = note_on_beta(tensors)) result.notes.push_back(*note);
  for (const auto& [name, mapped] : plan.names) {
    // Extracted one by one, and `file` keeps no reference to them, so that the model is never in memory in
    // both precisions at once.
    result.tensors[mapped] = as_weight(mapped, tensors.extract(name).mapped());
  }
  const auto activation = result.metadata.find("activation");
  const bool is_quick = result.source != WeightSource::open_clip;
  result.default_activation =
      activation != result.metadata.end() ? activation->second : (is_quick ? "quick_gelu" : "gelu");
  return result;
}

}  // namespace cloob

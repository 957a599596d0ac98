#include "cloob/checkpoint/import_weights.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/ScalarType.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <ranges>
#include <set>
#include <vector>

#include "checkpoint/printable.h"
#include "checkpoint/weight_names.h"
#include "checkpoint/weights_file.h"
#include "cloob/base/error.h"

namespace cloob {
namespace {

bool is_weight_type(at::ScalarType type) {
  return type == at::kDouble || type == at::kFloat || type == at::kHalf || type == at::kBFloat16;
}

// Numbers of batches, which some programs convert together with the weights.
bool is_counter(std::string_view name) { return name.ends_with(".num_batches_tracked"); }

// `name` is the name in the file.
[[noreturn]] void reject(const std::filesystem::path& path, std::string_view name, std::string_view problem) {
  throw_user_error("'{}': the tensor {} {}; these are not the weights of a model", path.string(),
                   in_quotes(name), problem);
}

at::Tensor as_counter(const std::filesystem::path& path, std::string_view name, const at::Tensor& tensor) {
  if (tensor.is_complex() || tensor.numel() != 1 || !at::isfinite(tensor).all().item<bool>())
    reject(path, name, "is not a count");
  return tensor.to(at::kLong).reshape({});
}

at::Tensor as_weight(const std::filesystem::path& path, std::string_view name, const at::Tensor& tensor) {
  if (!is_weight_type(tensor.scalar_type()))
    reject(path, name,
           fmt::format("has the type {}, weights are floating-point numbers",
                       c10::toString(tensor.scalar_type())));
  if (tensor.numel() == 0) reject(path, name, "has no elements");
  const at::Tensor weight = tensor.to(at::kFloat).contiguous();
  if (!at::isfinite(weight).all().item<bool>()) reject(path, name, "contains NaN or infinity");
  return weight;
}

at::Tensor without_leading_ones(at::Tensor tensor) {
  while (tensor.dim() > 1 && tensor.size(0) == 1) tensor = tensor.squeeze(0);
  return tensor;
}

// Joins and transposes what the file stores in parts.
at::Tensor assemble(const std::filesystem::path& path, const TensorPlan& plan, NamedTensors& tensors) {
  std::vector<at::Tensor> parts;
  for (const std::string& name : plan.parts) {
    const at::Tensor tensor = tensors.extract(name).mapped();
    parts.push_back(is_counter(name) ? as_counter(path, name, tensor) : as_weight(path, name, tensor));
    if (plan.parts.size() > 1 && (parts.back().dim() == 0 || parts.back().sizes() != parts[0].sizes()))
      reject(path, name, "has another shape than its siblings");
  }
  at::Tensor whole = parts.size() == 1 ? parts[0] : at::cat(parts);
  if (plan.drops_leading_ones) whole = without_leading_ones(whole);
  if (!plan.transposed) return whole;
  if (whole.dim() != 2) reject(path, plan.parts[0], "is not a matrix");
  return whole.t().contiguous();
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
    case WeightSource::hugging_face:
      return "hugging_face";
    case WeightSource::slip:
      return "slip";
    case WeightSource::protoclip:
      return "protoclip";
    case WeightSource::open_clip:
      break;
  }
  return "open_clip";
}

ImportedWeights import_weights(const std::filesystem::path& path) {
  const std::unique_ptr<WeightsFile> file = open_weights(path);
  NamedTensors tensors = file->load();
  const auto names = tensors | std::views::keys;
  NamePlan plan = plan_names(path, file->format(), std::set<std::string>(names.begin(), names.end()));
  ImportedWeights result{{}, plan.source, "", file->notes(), file->metadata()};
  std::ranges::move(plan.notes, std::back_inserter(result.notes));
  if (const auto note = note_on_beta(tensors)) result.notes.push_back(*note);
  for (const auto& [name, tensor] : plan.tensors) {
    // Extracted one by one, and `file` keeps no reference to them, so that the model is never in memory in
    // both precisions at once.
    result.tensors[name] = assemble(path, tensor, tensors);
  }
  for (const char* const name : {"logit_scale", "logit_bias"}) {
    const auto scalar = result.tensors.find(name);
    if (scalar != result.tensors.end() && scalar->second.numel() == 1)
      scalar->second = scalar->second.reshape({});
  }
  const auto activation = result.metadata.find("activation");
  const bool is_quick = result.source != WeightSource::open_clip;
  result.default_activation =
      activation != result.metadata.end() ? activation->second : (is_quick ? "quick_gelu" : "gelu");
  return result;
}

}  // namespace cloob

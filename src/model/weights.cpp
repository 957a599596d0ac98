#include "cloob/model/weights.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <span>
#include <sstream>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "model/position_resampling.h"

namespace cloob {
namespace {

std::string shape_text(const at::Tensor& tensor) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : tensor.sizes()) sizes.push_back(std::to_string(size));
  return fmt::format("({})", join(sizes, ", "));
}

/// "3 missing (a, b, c)", the first few by name.
std::string listed(std::span<const std::string> items, std::string_view what) {
  constexpr std::size_t kMaxListed = 5;
  const auto shown = items.first(std::min(items.size(), kMaxListed));
  return fmt::format("{} {} ({}{})", items.size(), what, join(shown, ", "),
                     shown.size() < items.size() ? ", ..." : "");
}

/// Some files store the temperature as a one-element vector.
bool shapes_match(const at::Tensor& given, const at::Tensor& expected) {
  return given.sizes() == expected.sizes() || (given.numel() == 1 && expected.numel() == 1);
}

// `advice` ends the message.
void require_same_tensors(const NamedTensors& given, const NamedTensors& expected, const std::string& source,
                          std::string_view advice) {
  std::vector<std::string> missing, unexpected, mismatched;
  for (const auto& [name, tensor] : expected) {
    const auto found = given.find(name);
    if (found == given.end()) {
      missing.push_back(name);
    } else if (!shapes_match(found->second, tensor)) {
      mismatched.push_back(
          fmt::format("{} is {}, the model's is {}", name, shape_text(found->second), shape_text(tensor)));
    }
  }
  for (const auto& [name, tensor] : given) {
    if (!expected.contains(name)) unexpected.push_back(name);
  }
  std::vector<std::string> problems;
  if (!missing.empty()) problems.push_back(listed(missing, "missing"));
  if (!unexpected.empty()) problems.push_back(listed(unexpected, "unexpected"));
  if (!mismatched.empty()) problems.push_back(listed(mismatched, "with a different shape"));
  if (problems.empty()) return;
  throw_user_error("{}: tensors do not match the model: {}; {}", source, join(problems, "; "), advice);
}

NamedTensors with_resampled_positions(NamedTensors weights, const ModelConfig& config) {
  const bool is_vit = config.image.kind == ImageEncoderKind::vit;
  const auto image =
      weights.find(is_vit ? "visual.positional_embedding" : "visual.attnpool.positional_embedding");
  if (image != weights.end())
    image->second = resample_image_positions(image->second, config.image.grid_size());
  const auto text = weights.find("positional_embedding");
  if (text != weights.end()) text->second = resample_text_positions(text->second, config.text.context_length);
  return weights;
}

}  // namespace

NamedTensors weights_of(const torch::nn::Module& module) {
  NamedTensors weights;
  for (const auto& parameter : module.named_parameters())
    weights.emplace(parameter.key(), parameter.value().detach());
  for (const auto& buffer : module.named_buffers()) weights.emplace(buffer.key(), buffer.value());
  return weights;
}

void load_weights(torch::nn::Module& module, const NamedTensors& weights, const std::string& source,
                  const std::string& section) {
  const at::NoGradGuard no_grad;
  const NamedTensors own = weights_of(module);
  require_same_tensors(weights, own, source,
                       fmt::format("check that the section '{}' describes these weights", section));
  for (const auto& [name, tensor] : own) tensor.copy_(weights.at(name).view_as(tensor));
}

void load_weights(DualEncoder& model, const NamedTensors& weights, const std::string& source) {
  NamedTensors fitting = with_resampled_positions(weights, model->config());
  const at::Tensor& bias = model->logit_bias();
  if (!bias.defined()) fitting.erase(kLogitBias);
  if (bias.defined()) fitting.emplace(kLogitBias, bias.detach());
  load_weights(*model, fitting, source);
}

void require_weights_of(const ModelConfig& config, const NamedTensors& weights, const std::string& source) {
  DualEncoder model(config, Initializer::shapes_only());
  if (weights.contains(kLogitBias)) model->add_logit_bias(0);
  require_same_tensors(weights, weights_of(model), source,
                       "the file is damaged or belongs to a model that is not supported");
}

}  // namespace cloob

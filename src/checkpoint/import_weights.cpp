#include "cloob/checkpoint/import_weights.h"

#include <ATen/core/Tensor.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <set>

#include "checkpoint/printable.h"
#include "checkpoint/weights_file.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// What the text tower's names begin with at the root of open_clip's files.
constexpr auto kTextTower = std::to_array<std::string_view>(
    {"positional_embedding", "text_projection", "token_embedding.", "transformer.resblocks.", "ln_final."});

bool begins_text_tower(std::string_view name) {
  return std::ranges::any_of(kTextTower, [&](std::string_view begin) { return name.starts_with(begin); });
}

bool is_known_name(std::string_view name) {
  constexpr auto kVisual = std::to_array<std::string_view>({"conv", "bn", "layer", "attnpool.",
                                                            "class_embedding", "positional_embedding", "proj",
                                                            "ln_pre.", "ln_post.", "transformer.resblocks."});
  if (!name.starts_with("visual.")) return name == "logit_scale" || begins_text_tower(name);
  name.remove_prefix(std::string_view("visual.").size());
  return std::ranges::any_of(kVisual, [&](std::string_view begin) { return name.starts_with(begin); });
}

struct Family {
  std::string_view description;
  std::function<bool(std::string_view)> has;
};

// Models that other programs make and this one does not have, told by a name that only they use.
const std::vector<Family>& unsupported_families() {
  static const std::vector<Family> kFamilies = {
      {"a timm image tower", [](auto name) { return name.starts_with("visual.trunk."); }},
      {"a CoCa model",
       [](auto name) { return name.starts_with("text_decoder.") || name.starts_with("visual.attn_pool."); }},
      {"a SigLIP model", [](auto name) { return name == "logit_bias"; }},
      {"a Hugging Face text tower",
       [](auto name) {
         return name.starts_with("text.proj.") ||
                (name.starts_with("text.transformer.") && !name.starts_with("text.transformer.resblocks."));
       }},
      {"a text tower of open_clip's newer kind", [](auto name) { return name.starts_with("text.blocks."); }},
      {"a text projection with a bias", [](auto name) { return name.starts_with("text.text_projection."); }},
      {"a model of Hugging Face's transformers",
       [](auto name) { return name.starts_with("vision_model.") || name.starts_with("text_model."); }},
      {"residual blocks with LayerScale",
       [](auto name) { return contains(name, ".ls_1.gamma") || contains(name, ".ls_2.gamma"); }},
      {"residual blocks with extra norms or scales",
       [](auto name) {
         return contains(name, ".attn.ln_") || contains(name, ".attn.logit_scale") ||
                contains(name, ".attn.head_scale") || contains(name, ".ln_attn.") ||
                contains(name, ".mlp.ln.");
       }},
  };
  return kFamilies;
}

// A tensor's name in open_clip's files.
std::string open_clip_name(std::string_view name) {
  for (const std::string_view prefix : {"text.", "transformer."}) {  // CustomTextCLIP; CLOOB
    if (name.starts_with(prefix) && begins_text_tower(name.substr(prefix.size())))
      name.remove_prefix(prefix.size());
  }
  return name == "logit_inv_tau" ? "logit_scale" : std::string(name);
}

WeightSource source_of(const WeightsFile& file, const NamedTensors& tensors) {
  if (tensors.contains("logit_inv_tau")) return WeightSource::cloob;
  const bool is_openai = file.format() == "TorchScript" || tensors.contains("input_resolution");
  return is_openai ? WeightSource::openai : WeightSource::open_clip;
}

NamedTensors without_module_prefix(NamedTensors tensors, const std::filesystem::path& path) {
  constexpr std::string_view kPrefix = "module.";
  NamedTensors result;
  for (auto& [name, tensor] : tensors) {
    const std::string bare = name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
    if (!result.emplace(bare, std::move(tensor)).second) {
      throw_user_error("'{}' has {} with and without the prefix 'module.'", path.string(), in_quotes(bare));
    }
  }
  return result;
}

void check_family(const std::filesystem::path& path, const NamedTensors& tensors) {
  for (const Family& family : unsupported_families()) {
    for (const auto& [name, tensor] : tensors) {
      if (!family.has(name)) continue;
      throw_user_error(
          "'{}' holds {} (tensor {}), which is not supported; supported are CLIP's ResNet and vision "
          "transformer with CLIP's text transformer, from open_clip, OpenAI and CLOOB",
          path.string(), family.description, in_quotes(name));
    }
  }
}

// Takes out what is no weight, and says so where it matters.
void drop_extras(NamedTensors& tensors, std::vector<std::string>& notes) {
  for (const char* const name : {"input_resolution", "context_length", "vocab_size"}) tensors.erase(name);
  std::erase_if(tensors, [](const auto& entry) { return entry.first.ends_with("attn_mask"); });
  const auto hopfield = tensors.find("logit_scale_hopfield");
  if (hopfield == tensors.end()) return;
  const at::Tensor& log_beta = hopfield->second;
  notes.push_back(
      log_beta.numel() == 1 && log_beta.is_floating_point()
          ? fmt::format(
                "'logit_scale_hopfield' is no weight and was left out; it says retrieval.beta = {:.6g}",
                std::exp(log_beta.item<double>()))
          : "'logit_scale_hopfield' is no weight and was left out");
  tensors.erase(hopfield);
}

at::Tensor as_weight(std::string_view name, const at::Tensor& tensor) {
  at::Tensor result = tensor.is_floating_point() ? tensor.to(at::kFloat) : tensor.to(at::kLong);
  if (name == "logit_scale" && result.numel() == 1) result = result.reshape({});
  return result.contiguous();
}

void check_is_clip(const std::filesystem::path& path, const NamedTensors& tensors) {
  std::vector<std::string> unknown;
  for (const auto& [name, tensor] : tensors) {
    if (!is_known_name(name)) unknown.push_back(in_quotes(name));
  }
  const std::size_t num_unknown = unknown.size();
  unknown.resize(std::min<std::size_t>(num_unknown, 5));
  if (num_unknown > 0) {
    throw_user_error("'{}' holds tensors that no supported CLIP model has, {} of {}: {}{}", path.string(),
                     num_unknown, tensors.size(), join(unknown, ", "),
                     num_unknown > unknown.size() ? ", ..." : "");
  }
  for (const char* const name : {"visual.conv1.weight", "token_embedding.weight"}) {
    if (!tensors.contains(name)) {
      throw_user_error("'{}' holds no whole CLIP model: the tensor '{}' is missing", path.string(), name);
    }
  }
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
  NamedTensors tensors = without_module_prefix(file->load(), path);
  check_family(path, tensors);
  ImportedWeights result{{}, source_of(*file, tensors), "", file->notes(), file->metadata()};
  drop_extras(tensors, result.notes);
  for (const auto& [name, tensor] : tensors) {
    const std::string mapped = open_clip_name(name);
    if (!result.tensors.emplace(mapped, as_weight(mapped, tensor)).second) {
      throw_user_error("'{}' has the tensor '{}' under two names", path.string(), mapped);
    }
  }
  check_is_clip(path, result.tensors);
  const auto activation = result.metadata.find("activation");
  const bool is_quick = result.source != WeightSource::open_clip;
  result.default_activation =
      activation != result.metadata.end() ? activation->second : (is_quick ? "quick_gelu" : "gelu");
  return result;
}

}  // namespace cloob

#include "checkpoint/weight_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "checkpoint/printable.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Prefixes of the text tower's names at the root of open_clip's files.
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

// Models of other programs that this one does not support, recognized by names that only they use.
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

std::string_view without_module_prefix(std::string_view name) {
  constexpr std::string_view kPrefix = "module.";  // of distributed data parallel
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return name;
}

// Tensors of some files that are not weights: architecture sizes, a mask, CLOOB's learned beta.
bool is_extra(std::string_view name) {
  return name == "input_resolution" || name == "context_length" || name == "vocab_size" ||
         name == "logit_scale_hopfield" || name.ends_with("attn_mask");
}

// The name in open_clip's files.
std::string open_clip_name(std::string_view name) {
  for (const std::string_view prefix : {"text.", "transformer."}) {  // CustomTextCLIP; CLOOB
    if (name.starts_with(prefix) && begins_text_tower(name.substr(prefix.size())))
      name.remove_prefix(prefix.size());
  }
  return name == "logit_inv_tau" ? "logit_scale" : std::string(name);
}

void check_family(const std::filesystem::path& path, std::string_view name) {
  for (const Family& family : unsupported_families()) {
    if (!family.has(name)) continue;
    throw_user_error(
        "'{}' contains {} (tensor {}), which is not supported; supported are CLIP's ResNet and vision "
        "transformer with CLIP's text transformer, from open_clip, OpenAI and CLOOB",
        path.string(), family.description, in_quotes(name));
  }
}

void check_is_clip(const std::filesystem::path& path, const std::set<std::string>& names) {
  std::vector<std::string> unknown;
  for (const std::string& name : names) {
    if (!is_known_name(name)) unknown.push_back(in_quotes(name));
  }
  const std::size_t num_unknown = unknown.size();
  unknown.resize(std::min<std::size_t>(num_unknown, 5));
  if (num_unknown > 0) {
    throw_user_error("'{}' contains tensors that no supported CLIP model has, {} of {}: {}{}", path.string(),
                     num_unknown, names.size(), join(unknown, ", "),
                     num_unknown > unknown.size() ? ", ..." : "");
  }
  for (const char* const name : {"visual.conv1.weight", "token_embedding.weight"}) {
    if (!names.contains(name)) {
      throw_user_error("'{}' is not a complete CLIP model: the tensor '{}' is missing", path.string(), name);
    }
  }
}

}  // namespace

NamePlan plan_names(const std::filesystem::path& path, std::string_view format,
                    const std::set<std::string>& names) {
  NamePlan plan{format == "TorchScript" ? WeightSource::openai : WeightSource::open_clip, {}};
  std::set<std::string> taken;
  for (const std::string& name : names) {
    const std::string_view bare = without_module_prefix(name);
    check_family(path, bare);
    if (bare == "input_resolution") plan.source = WeightSource::openai;
    if (bare == "logit_inv_tau") plan.source = WeightSource::cloob;
    if (is_extra(bare)) continue;
    const std::string mapped = open_clip_name(bare);
    plan.names[name] = mapped;
    if (!taken.insert(mapped).second) {
      throw_user_error("'{}' has the tensor {} under two names", path.string(), in_quotes(mapped));
    }
  }
  check_is_clip(path, taken);
  return plan;
}

}  // namespace cloob

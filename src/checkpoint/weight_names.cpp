#include "checkpoint/weight_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <functional>
#include <ranges>
#include <utility>
#include <vector>

#include "checkpoint/hugging_face_names.h"
#include "checkpoint/printable.h"
#include "checkpoint/slip_names.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Of models trained by open_clip's --siglip, and of SigLIP's own.
constexpr std::string_view kLogitBias = "logit_bias";

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
  if (!name.starts_with("visual."))
    return name == "logit_scale" || name == kLogitBias || begins_text_tower(name);
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
      {"a Hugging Face text tower",
       [](auto name) {
         return name.starts_with("text.proj.") ||
                (name.starts_with("text.transformer.") && !name.starts_with("text.transformer.resblocks."));
       }},
      {"a text tower of open_clip's newer kind", [](auto name) { return name.starts_with("text.blocks."); }},
      {"a text projection with a bias", [](auto name) { return name.starts_with("text.text_projection."); }},
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

// The name without what wrappers of modules and programs put in front of names, in any number and order: distributed
// training and compilation also wrap parts of a model, so theirs can stand anywhere.
std::string without_wrappers(std::string_view name) {
  constexpr auto kAnywhere = std::to_array<std::string_view>(
      {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"});
  constexpr auto kInFront = std::to_array<std::string_view>({"model", "clip", "clip_model"});
  std::string result;
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('.'));
    const bool is_last = part.size() == name.size();
    const bool is_wrapper = std::ranges::find(kAnywhere, part) != kAnywhere.end() ||
                            (result.empty() && std::ranges::find(kInFront, part) != kInFront.end());
    if (is_last || !is_wrapper) result.append(part).append(is_last ? "" : ".");
    name.remove_prefix(part.size() + (is_last ? 0 : 1));
  }
  return result;
}

// Tensors of some files that are not weights: architecture sizes, a mask, numbers of positions, CLOOB's learned beta.
bool is_extra(std::string_view name) {
  return name == "input_resolution" || name == "context_length" || name == "vocab_size" ||
         name == "logit_scale_hopfield" || name.ends_with("attn_mask") ||
         name.ends_with(".embeddings.position_ids");  // transformers before 4.31
}

// Of ProtoCLIP's prototype losses: only its training uses these heads and the temperature of their scores.
bool is_prototype_head(std::string_view name) {
  return name == "logit_scale_proto" || name.starts_with("image_projection_head.") ||
         name.starts_with("text_projection_head.");
}

// The name in open_clip's files.
std::string open_clip_name(std::string_view name) {
  for (const std::string_view prefix : {"text.", "transformer."}) {  // CustomTextCLIP; CLOOB
    if (name.starts_with(prefix) && begins_text_tower(name.substr(prefix.size())))
      name.remove_prefix(prefix.size());
  }
  return name == "logit_inv_tau" ? "logit_scale" : std::string(name);
}

[[noreturn]] void refuse_family(const std::filesystem::path& path, std::string_view description,
                                std::string_view name) {
  throw_user_error(
      "'{}' contains {} (tensor {}), which is not supported; supported are CLIP's ResNet and vision "
      "transformer with CLIP's text transformer, from open_clip, OpenAI, CLOOB, transformers, SLIP and ProtoCLIP",
      path.string(), description, in_quotes(name));
}

void check_family(const std::filesystem::path& path, std::string_view name) {
  for (const Family& family : unsupported_families()) {
    if (family.has(name)) refuse_family(path, family.description, name);
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

bool is_hugging_face_name(std::string_view name) {
  return name.starts_with("vision_model.") || name.starts_with("text_model.");
}

// SigLIP's own towers are timm's, or those of transformers, which also differ from CLIP's.
bool is_towers_of_siglip(std::string_view name) {
  return name.starts_with("visual.trunk.") || is_hugging_face_name(name);
}

// By the names without wrappers, the names in the file.
std::map<std::string, std::string> unwrapped(const std::filesystem::path& path,
                                             const std::set<std::string>& names) {
  std::map<std::string, std::string> result;
  for (const std::string& name : names) {
    const auto [entry, is_new] = result.emplace(without_wrappers(name), name);
    if (!is_new)
      throw_user_error("'{}' has the tensor {} under two names: {} and {}", path.string(),
                       in_quotes(entry->first), in_quotes(entry->second), in_quotes(name));
  }
  return result;
}

void add_tensor(const std::filesystem::path& path, NamePlan& plan, const std::string& name,
                TensorPlan tensor) {
  if (!plan.tensors.emplace(name, std::move(tensor)).second)
    throw_user_error("'{}' has the tensor {} under two names", path.string(), in_quotes(name));
}

void plan_open_clip(const std::filesystem::path& path, const std::map<std::string, std::string>& names,
                    NamePlan& plan) {
  std::size_t num_in_heads = 0;
  for (const auto& [bare, name] : names) {
    if (is_prototype_head(bare)) {
      ++num_in_heads;
      continue;
    }
    check_family(path, bare);
    if (bare == "input_resolution") plan.source = WeightSource::openai;
    if (bare == "logit_inv_tau") plan.source = WeightSource::cloob;
    if (!is_extra(bare)) add_tensor(path, plan, open_clip_name(bare), {{name}});
  }
  if (num_in_heads > 0) {
    plan.source = WeightSource::protoclip;
    plan.notes.push_back(fmt::format(
        "the {} tensors of ProtoCLIP's projection heads and their temperature were skipped: features and their evaluation do "
        "not depend on them",
        num_in_heads));
  }
}

// Every tensor of open_clip that a name belongs to, with all of its parts.
void plan_hugging_face(const std::filesystem::path& path, const std::map<std::string, std::string>& names,
                       NamePlan& plan) {
  plan.source = WeightSource::hugging_face;
  for (const auto& [bare, name] : names) {
    if (is_extra(bare)) continue;
    const auto mapped = open_clip_name_of(bare);
    if (!mapped) {
      check_family(path, bare);
      throw_user_error("'{}' contains the tensor {}, which no CLIPModel of transformers has", path.string(),
                       in_quotes(name));
    }
    if (plan.tensors.contains(*mapped)) continue;
    const HuggingFaceTensors stored = hugging_face_tensors(*mapped).value();
    TensorPlan tensor{{}, stored.transposed};
    for (const std::string& part : stored.names) {
      const auto found = names.find(part);
      if (found == names.end())
        throw_user_error("'{}' is not a complete CLIP model: the tensor {} is missing", path.string(),
                         in_quotes(part));
      tensor.parts.push_back(found->second);
    }
    plan.tensors.emplace(*mapped, std::move(tensor));
  }
}

void plan_slip(const std::filesystem::path& path, const std::map<std::string, std::string>& names,
               NamePlan& plan) {
  plan.source = WeightSource::slip;
  std::size_t num_in_head = 0;
  for (const auto& [bare, name] : names) {
    if (is_self_supervised_head(bare)) {
      ++num_in_head;
      continue;
    }
    const auto tensor = slip_tensor(bare);
    if (!tensor) {
      check_family(path, bare);
      throw_user_error(
          "'{}' contains timm's vision transformer, which is supported as SLIP has it, and no model of SLIP "
          "has the tensor {}",
          path.string(), in_quotes(name));
    }
    add_tensor(path, plan, tensor->open_clip_name,
               {.parts = {name}, .drops_leading_ones = tensor->has_leading_ones});
  }
  if (num_in_head > 0)
    plan.notes.push_back(fmt::format(
        "the {} tensors of 'image_mlp', the head of SLIP's self-supervised loss, were skipped", num_in_head));
}

}  // namespace

NamePlan plan_names(const std::filesystem::path& path, std::string_view format,
                    const std::set<std::string>& names) {
  NamePlan plan{format == "TorchScript" ? WeightSource::openai : WeightSource::open_clip, {}};
  const auto bare = unwrapped(path, names);
  const auto any = [&](auto has) { return std::ranges::any_of(bare | std::views::keys, has); };
  if (bare.contains(std::string(kLogitBias)) && any(is_towers_of_siglip))
    refuse_family(path, "a SigLIP model with towers of its own", bare.at(std::string(kLogitBias)));
  const auto plan_tensors = any(is_hugging_face_name) ? plan_hugging_face
                            : any(is_only_slips)      ? plan_slip
                                                      : plan_open_clip;
  plan_tensors(path, bare, plan);
  const auto mapped = plan.tensors | std::views::keys;
  check_is_clip(path, std::set<std::string>(mapped.begin(), mapped.end()));
  return plan;
}

}  // namespace cloob

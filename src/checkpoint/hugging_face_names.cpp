#include "checkpoint/hugging_face_names.h"

#include <array>

namespace cloob {
namespace {

struct Pair {
  std::string_view open_clip;
  std::string_view hugging_face;
  bool transposed = false;
};

// "pre_layrnorm" is how transformers spells it.
constexpr auto kTensors = std::to_array<Pair>({
    {"logit_scale", "logit_scale"},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
    {"token_embedding.weight", "text_model.embeddings.token_embedding.weight"},
    {"ln_final.weight", "text_model.final_layer_norm.weight"},
    {"ln_final.bias", "text_model.final_layer_norm.bias"},
    {"text_projection", "text_projection.weight", true},
    {"visual.class_embedding", "vision_model.embeddings.class_embedding"},
    {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
    {"visual.ln_pre.weight", "vision_model.pre_layrnorm.weight"},
    {"visual.ln_pre.bias", "vision_model.pre_layrnorm.bias"},
    {"visual.ln_post.weight", "vision_model.post_layernorm.weight"},
    {"visual.ln_post.bias", "vision_model.post_layernorm.bias"},
    {"visual.proj", "visual_projection.weight", true},
});

// A number and a dot follow.
constexpr auto kBlocks = std::to_array<Pair>({
    {"visual.transformer.resblocks.", "vision_model.encoder.layers."},
    {"transformer.resblocks.", "text_model.encoder.layers."},
});

// In a block, up to ".weight" or ".bias".
constexpr auto kLayers = std::to_array<Pair>({
    {"ln_1", "layer_norm1"},
    {"ln_2", "layer_norm2"},
    {"mlp.c_fc", "mlp.fc1"},
    {"mlp.c_proj", "mlp.fc2"},
    {"attn.out_proj", "self_attn.out_proj"},
});

// open_clip joins the three projections of attention.
constexpr std::string_view kJoined = "attn.in_proj_";
constexpr auto kSplit =
    std::to_array<std::string_view>({"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."});

// A name in a block as the block with its number, and the rest: "transformer.resblocks.3." and "ln_1.weight".
struct InBlock {
  std::string block;  // under the other program's name
  std::string_view rest;
};

std::optional<InBlock> split_block(std::string_view name, std::string_view Pair::*from,
                                   std::string_view Pair::*to) {
  for (const Pair& blocks : kBlocks) {
    if (!name.starts_with(blocks.*from)) continue;
    name.remove_prefix((blocks.*from).size());
    const std::size_t end = name.find('.');
    if (end == std::string_view::npos) return std::nullopt;
    return InBlock{std::string(blocks.*to) + std::string(name.substr(0, end + 1)), name.substr(end + 1)};
  }
  return std::nullopt;
}

// "ln_1.weight" under the other program's name.
std::optional<std::string> renamed_layer(std::string_view rest, std::string_view Pair::*from,
                                         std::string_view Pair::*to) {
  for (const Pair& layer : kLayers) {
    if (!rest.starts_with(layer.*from)) continue;
    const std::string_view last = rest.substr((layer.*from).size());
    if (last == ".weight" || last == ".bias") return std::string(layer.*to) + std::string(last);
  }
  return std::nullopt;
}

bool is_weight_or_bias(std::string_view name) { return name == "weight" || name == "bias"; }

}  // namespace

std::optional<HuggingFaceTensors> hugging_face_tensors(std::string_view open_clip_name) {
  for (const Pair& pair : kTensors) {
    if (pair.open_clip == open_clip_name)
      return HuggingFaceTensors{{std::string(pair.hugging_face)}, pair.transposed};
  }
  const auto in_block = split_block(open_clip_name, &Pair::open_clip, &Pair::hugging_face);
  if (!in_block) return std::nullopt;
  const auto& [block, rest] = *in_block;
  if (rest.starts_with(kJoined) && is_weight_or_bias(rest.substr(kJoined.size()))) {
    HuggingFaceTensors result;
    for (const std::string_view part : kSplit)
      result.names.push_back(block + std::string(part) + std::string(rest.substr(kJoined.size())));
    return result;
  }
  const auto layer = renamed_layer(rest, &Pair::open_clip, &Pair::hugging_face);
  return layer ? std::optional(HuggingFaceTensors{{block + *layer}}) : std::nullopt;
}

std::optional<std::string> open_clip_name_of(std::string_view hugging_face_name) {
  for (const Pair& pair : kTensors) {
    if (pair.hugging_face == hugging_face_name) return std::string(pair.open_clip);
  }
  const auto in_block = split_block(hugging_face_name, &Pair::hugging_face, &Pair::open_clip);
  if (!in_block) return std::nullopt;
  const auto& [block, rest] = *in_block;
  for (const std::string_view part : kSplit) {
    if (rest.starts_with(part) && is_weight_or_bias(rest.substr(part.size())))
      return block + std::string(kJoined) + std::string(rest.substr(part.size()));
  }
  const auto layer = renamed_layer(rest, &Pair::hugging_face, &Pair::open_clip);
  return layer ? std::optional(block + *layer) : std::nullopt;
}

}  // namespace cloob

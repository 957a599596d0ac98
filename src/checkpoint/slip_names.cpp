#include "checkpoint/slip_names.h"

#include <algorithm>
#include <array>

namespace cloob {
namespace {

struct Pair {
  std::string_view slip;
  std::string_view open_clip;
  bool has_leading_ones = false;
};

constexpr auto kTensors = std::to_array<Pair>({
    {"visual.cls_token", "visual.class_embedding", true},
    {"visual.pos_embed", "visual.positional_embedding", true},
    {"visual.patch_embed.proj.weight", "visual.conv1.weight"},
    {"visual.patch_embed.proj.bias", "visual.conv1.bias"},
    {"visual.norm.weight", "visual.ln_post.weight"},
    {"visual.norm.bias", "visual.ln_post.bias"},
    {"image_projection", "visual.proj"},
});

// A number and a dot follow.
constexpr Pair kBlocks = {"visual.blocks.", "visual.transformer.resblocks."};

// In a block.
constexpr auto kLayers = std::to_array<Pair>({
    {"norm1.weight", "ln_1.weight"},
    {"norm1.bias", "ln_1.bias"},
    {"attn.qkv.weight", "attn.in_proj_weight"},
    {"attn.qkv.bias", "attn.in_proj_bias"},
    {"attn.proj.weight", "attn.out_proj.weight"},
    {"attn.proj.bias", "attn.out_proj.bias"},
    {"norm2.weight", "ln_2.weight"},
    {"norm2.bias", "ln_2.bias"},
    {"mlp.fc1.weight", "mlp.c_fc.weight"},
    {"mlp.fc1.bias", "mlp.c_fc.bias"},
    {"mlp.fc2.weight", "mlp.c_proj.weight"},
    {"mlp.fc2.bias", "mlp.c_proj.bias"},
});

template <std::size_t Size>
std::optional<SlipTensor> find_tensor(const std::array<Pair, Size>& pairs, std::string_view slip_name) {
  const auto found = std::ranges::find(pairs, slip_name, &Pair::slip);
  if (found == pairs.end()) return std::nullopt;
  return SlipTensor{std::string(found->open_clip), found->has_leading_ones};
}

// "visual.blocks.3.norm1.weight" as "visual.transformer.resblocks.3.ln_1.weight".
std::optional<SlipTensor> tensor_in_block(std::string_view slip_name) {
  slip_name.remove_prefix(kBlocks.slip.size());
  const std::size_t end = slip_name.find('.');
  if (end == std::string_view::npos) return std::nullopt;
  auto tensor = find_tensor(kLayers, slip_name.substr(end + 1));
  if (tensor)
    tensor->open_clip_name.insert(0,
                                  std::string(kBlocks.open_clip) + std::string(slip_name.substr(0, end + 1)));
  return tensor;
}

}  // namespace

bool is_only_slips(std::string_view name) {
  return name.starts_with(kBlocks.slip) || find_tensor(kTensors, name).has_value();
}

std::optional<SlipTensor> slip_tensor(std::string_view slip_name) {
  constexpr auto kTextTower =
      std::to_array<std::string_view>({"positional_embedding", "text_projection", "logit_scale",
                                       "token_embedding.weight", "ln_final.weight", "ln_final.bias"});
  if (slip_name.starts_with("transformer.resblocks.") ||
      std::ranges::find(kTextTower, slip_name) != kTextTower.end())
    return SlipTensor{std::string(slip_name)};
  return slip_name.starts_with(kBlocks.slip) ? tensor_in_block(slip_name) : find_tensor(kTensors, slip_name);
}

bool is_self_supervised_head(std::string_view slip_name) { return slip_name.starts_with("image_mlp."); }

}  // namespace cloob

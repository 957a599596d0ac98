#include "cloob/model/text_encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/matmul.h>

#include <cmath>

#include "cloob/device/autocast.h"
#include "model/packed_texts.h"

namespace cloob {
namespace {

BlockShape block_shape(const ModelConfig& config) {
  const double width = static_cast<double>(config.text.width);
  const double width_std = 1 / std::sqrt(width);
  // Two branches per block add to the residual stream; this keeps its variance from growing with their
  // number.
  const double branch_std = width_std / std::sqrt(2 * static_cast<double>(config.text.layers));
  return {.width = config.text.width,
          .heads = config.text.heads,
          .activation = config.activation,
          .causal = true,
          .weight_stds = {.in_proj = width_std,
                          .out_proj = branch_std,
                          .c_fc = 1 / std::sqrt(2 * width),
                          .c_proj = branch_std}};
}

// On the CPU, oneDNN generates new kernels for bf16 products for every number of tokens, which takes
// milliseconds each.
TextFiller filler_for(c10::Device device) {
  return device.is_cpu() && AutocastState::current(device.type()).is_enabled ? TextFiller::to_few_sizes
                                                                             : TextFiller::none;
}

}  // namespace

TextEncoderImpl::TextEncoderImpl(const ModelConfig& config, Initializer& initializer)
    : positional_embedding_(register_parameter(
          "positional_embedding",
          initializer.embedding({config.text.context_length, config.text.width}, /*std=*/0.01))),
      projection_(register_parameter(
          "text_projection", initializer.normal({config.text.width, config.embed_dim},
                                                1 / std::sqrt(static_cast<double>(config.text.width))))),
      transformer_(
          register_module("transformer", Transformer(block_shape(config), config.text.layers, initializer))),
      token_embedding_(register_module("token_embedding", Embedding(config.text.vocab_size, config.text.width,
                                                                    /*std=*/0.02, initializer))),
      output_norm_(register_module("ln_final", LayerNorm(config.text.width, initializer))) {}

torch::Tensor TextEncoderImpl::forward(const torch::Tensor& tokens_BL,
                                       const torch::Tensor& end_positions_B) const {
  const c10::Device device = positional_embedding_.device();
  const PackedTexts texts = pack_texts(tokens_BL, end_positions_B, filler_for(device), device);
  const torch::Tensor embedded_TD =
      token_embedding_->forward(texts.ids_T) + at::embedding(positional_embedding_, texts.positions_T);
  const torch::Tensor end_ND = transformer_->forward(embedded_TD, texts.groups, PooledToken::last);
  const torch::Tensor features_ND = project(end_ND);
  return texts.sequence_of_text_B.defined() ? features_ND.index_select(0, texts.sequence_of_text_B)
                                            : features_ND;
}

torch::Tensor TextEncoderImpl::forward_padded(const torch::Tensor& tokens_BL,
                                              const torch::Tensor& end_positions_B) const {
  const std::int64_t num_texts = tokens_BL.size(0), length = tokens_BL.size(1);
  const torch::Tensor embedded_BLD =
      token_embedding_->forward(tokens_BL) + positional_embedding_.narrow(0, 0, length);
  const torch::Tensor states_TD =
      transformer_->forward_all(embedded_BLD.flatten(0, 1), {{.count = num_texts, .length = length}});
  const torch::Tensor first_token_B = at::arange(num_texts, end_positions_B.options()) * length;
  return project(states_TD.index_select(0, first_token_B + end_positions_B));
}

torch::Tensor TextEncoderImpl::project(const torch::Tensor& end_ND) const {
  return at::matmul(output_norm_->forward(end_ND), projection_);
}

void TextEncoderImpl::register_in(torch::nn::Module& root) const {
  root.register_parameter("positional_embedding", positional_embedding_);
  root.register_parameter("text_projection", projection_);
  root.register_module("transformer", transformer_);
  root.register_module("token_embedding", token_embedding_);
  root.register_module("ln_final", output_norm_);
}

std::vector<std::vector<torch::Tensor>> TextEncoderImpl::parameters_by_layer() const {
  std::vector<std::vector<torch::Tensor>> layers = {token_embedding_->parameters()};
  layers[0].push_back(positional_embedding_);
  for (std::size_t block = 0; block < transformer_->num_blocks(); ++block)
    layers.push_back(transformer_->parameters_of_block(block));
  return layers;
}

}  // namespace cloob

#include "cloob/nn/transformer.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <cmath>
#include <limits>
#include <set>

#include "cloob/base/named_tensors.h"

#include "support/support.h"

namespace cloob {
namespace {

BlockShape shape(bool causal) {
  return {.width = 8, .heads = 2, .activation = Activation::gelu, .causal = causal, .weight_stds = {}};
}

TEST(Transformer, NamesItsTensorsAsOpenClipDoes) {
  Initializer initializer = Initializer::shapes_only();
  const Transformer transformer(shape(/*causal=*/true), /*layers=*/2, initializer);
  std::set<std::string> names;
  for (const auto& parameter : transformer->named_parameters()) names.insert(parameter.key());
  std::set<std::string> expected;
  for (const std::string block : {"resblocks.0.", "resblocks.1."}) {
    for (const std::string name :
         {"ln_1.weight", "ln_1.bias", "attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj.weight",
          "attn.out_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias",
          "mlp.c_proj.weight", "mlp.c_proj.bias"}) {
      expected.insert(block + name);
    }
  }
  EXPECT_EQ(names, expected);
}

TEST(SelfAttention, AttendsToLaterTokensOnlyIfNotCausal) {
  const at::Tensor x = at::randn({6, 8});
  at::Tensor changed = x.clone();
  changed[5] += 1;
  const SequenceGroups one = {{.count = 1, .length = 6}};
  for (const bool causal : {true, false}) {
    Initializer initializer = Initializer::random(1);
    const SelfAttention attention(shape(causal), initializer);
    const at::Tensor difference =
        (attention->forward(x, one) - attention->forward(changed, one)).narrow(0, 0, 5);
    EXPECT_EQ(difference.abs().max().item<double>() == 0, causal);
  }
}

// The textbook computation of every block for every token of sequences of one length: (B, L, D) -> (B, L, D).
at::Tensor reference_transformer(const torch::OrderedDict<std::string, at::Tensor>& weights, at::Tensor x,
                                 const BlockShape& block) {
  const std::int64_t length = x.size(1), head_width = block.width / block.heads;
  for (int layer = 0; weights.contains(fmt::format("resblocks.{}.ln_1.weight", layer)); ++layer) {
    const auto linear = [&](const at::Tensor& input, const std::string& name, const std::string& dot) {
      const std::string prefix = fmt::format("resblocks.{}.{}{}", layer, name, dot);
      return at::matmul(input, weights[prefix + "weight"].t()) + weights[prefix + "bias"];
    };
    const auto norm = [&](const at::Tensor& input, const std::string& name) {
      const std::string prefix = fmt::format("resblocks.{}.{}.", layer, name);
      return at::layer_norm(input, {block.width}, weights[prefix + "weight"], weights[prefix + "bias"], 1e-5);
    };
    const auto heads = [&](const at::Tensor& part) {
      return part.reshape({x.size(0), length, block.heads, head_width}).transpose(1, 2);
    };
    const auto qkv = linear(norm(x, "ln_1"), "attn", ".in_proj_").chunk(3, 2);
    at::Tensor scores = at::matmul(heads(qkv[0]), heads(qkv[1]).transpose(2, 3)) / std::sqrt(head_width);
    if (block.causal) {
      scores = scores.masked_fill(at::ones({length, length}, at::kBool).triu(1),
                                  -std::numeric_limits<double>::infinity());
    }
    const at::Tensor attended =
        at::matmul(scores.softmax(-1), heads(qkv[2])).transpose(1, 2).reshape(x.sizes());
    x = x + linear(attended, "attn.out_proj", ".");
    x = x + linear(at::gelu(linear(norm(x, "ln_2"), "mlp.c_fc", ".")), "mlp.c_proj", ".");
  }
  return x;
}

NamedTensors gradients_of(const at::Tensor& loss, Transformer transformer, const at::Tensor& x) {
  transformer->zero_grad();
  x.mutable_grad().reset();
  loss.backward();
  NamedTensors gradients = {{"input", x.grad().clone()}};
  for (const auto& item : transformer->named_parameters())
    gradients.emplace(item.key(), item.value().grad().clone());
  return gradients;
}

TEST(Transformer, MatchesTheReferenceIncludingItsGradients) {
  const SequenceGroups groups = {
      {.count = 3, .length = 1}, {.count = 2, .length = 4}, {.count = 1, .length = 7}};
  for (const bool causal : {true, false}) {
    Initializer initializer = Initializer::random(1);
    Transformer transformer(shape(causal), /*layers=*/3, initializer);
    transformer->to(at::kDouble);
    const PooledToken pooled = causal ? PooledToken::last : PooledToken::first;
    const at::Tensor x = at::randn({18, 8}, at::kDouble).requires_grad_();
    const at::Tensor weights = at::randn({6, 8}, at::kDouble);
    const at::Tensor actual = transformer->forward(x, groups, pooled);
    std::vector<at::Tensor> reference;
    for (const at::Tensor& part : split_tokens(x, groups)) {
      reference.push_back(reference_transformer(transformer->named_parameters(), part, shape(causal))
                              .select(1, causal ? -1 : 0));
    }
    const at::Tensor expected = at::cat(reference);
    testing::expect_close(actual, expected, 1e-11, 1e-12);
    const NamedTensors gradients = gradients_of((actual * weights).sum(), transformer, x);
    for (const auto& [name, gradient] : gradients_of((expected * weights).sum(), transformer, x))
      testing::expect_close(gradients.at(name), gradient, 1e-9, 1e-11, name);
  }
}

}  // namespace
}  // namespace cloob

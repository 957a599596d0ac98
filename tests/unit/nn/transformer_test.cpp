#include "cloob/nn/transformer.h"

#include <ATen/ATen.h>

#include <set>

#include "support/support.h"

namespace cloob {
namespace {

BlockShape shape(bool causal) {
  return {.width = 8, .heads = 2, .activation = Activation::gelu, .causal = causal, .weight_stds = {}};
}

TEST(Transformer, NamesItsTensorsAsPeersDo) {
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

TEST(Transformer, SeesTheFutureOnlyWhenItIsNotCausal) {
  const at::Tensor x = at::randn({1, 6, 8});
  at::Tensor changed = x.clone();
  changed[0][5] += 1;
  for (const bool causal : {true, false}) {
    Initializer initializer = Initializer::drawn(1);
    const Transformer transformer(shape(causal), /*layers=*/2, initializer);
    const at::Tensor difference = (transformer->forward(x) - transformer->forward(changed)).narrow(1, 0, 5);
    EXPECT_EQ(difference.abs().max().item<double>() == 0, causal);
  }
}

}  // namespace
}  // namespace cloob

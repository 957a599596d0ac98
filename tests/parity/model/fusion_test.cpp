// RECO's fusion against PyTorch's transformer layers with padding (tools/goldens/make_reco.py).
#include "cloob/model/fusion.h"

#include <ATen/ATen.h>

#include "cloob/base/full_precision.h"
#include "cloob/checkpoint/safetensors.h"
#include "support/support.h"

namespace cloob {
namespace {

const at::Tensor& golden(const std::string& name) {
  static const NamedTensors tensors =
      read_safetensors(testing::golden_path("model/fusion.safetensors")).tensors;
  return tensors.at(name);
}

Fusion make(FusionKind kind, at::ScalarType type = at::kDouble, double mean_weight = 0.3) {
  Initializer initializer = Initializer::random(1);
  Fusion fusion(FusionOptions{.kind = kind,
                              .dim = 12,
                              .layers = 2,
                              .heads = 3,
                              .mlp_ratio = 2,
                              .type_embedding = true,
                              .mean_weight = mean_weight},
                initializer);
  fusion->to(type);
  return fusion;
}

void expect_transformer(at::ScalarType type, double tolerance) {
  const Fusion fusion = make(FusionKind::transformer, type);
  auto parameters = fusion->named_parameters();
  {
    const at::NoGradGuard no_grad;
    for (auto& item : parameters) item.value().copy_(golden("weight." + item.key()));
  }
  const at::Tensor query = golden("query").to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_();
  // What is beyond the count of a query has no effect.
  at::Tensor retrieved = golden("retrieved").to(type).clone();
  retrieved[1].narrow(0, 2, 2).fill_(7);
  retrieved[2].fill_(-3);
  const at::Tensor output = fusion->forward(query, retrieved, golden("counts"));
  EXPECT_EQ(output.scalar_type(), type);
  output.backward(at::linspace(-1, 1, output.numel(), at::kDouble).reshape(output.sizes()).to(type));
  testing::expect_relative_norm(output, golden("output"), tolerance, "output");
  testing::expect_relative_norm(query.grad(), golden("grad_query"), 10 * tolerance, "query");
  for (const auto& item : parameters)
    testing::expect_close(item.value().grad(), golden("grad." + item.key()), 100 * tolerance, 10 * tolerance,
                          item.key());
}

TEST(Fusion, EqualsTransformerLayersOfPyTorch) {
  expect_transformer(at::kDouble, 1e-12);
  expect_transformer(at::kFloat, 1e-6);
}

TEST(Fusion, MeanIsWeighted) {
  const at::Tensor output =
      make(FusionKind::mean)->forward(golden("query"), golden("retrieved"), golden("counts"));
  testing::expect_relative_norm(output, golden("mean"), 1e-12, "mean");
}

TEST(Fusion, StartsWithoutEffect) {
  for (const FusionKind kind : {FusionKind::transformer, FusionKind::mlp}) {
    const at::Tensor output = make(kind)->forward(golden("query"), golden("retrieved"), golden("counts"));
    testing::expect_relative_norm(output, golden("query"), 1e-12, "query");
  }
}

TEST(Fusion, ControlHasAsManyParametersAndReadsNothingElse) {
  const auto count = [](const Fusion& fusion) {
    std::int64_t number = 0;
    for (const at::Tensor& parameter : fusion->parameters()) number += parameter.numel();
    return static_cast<double>(number);
  };
  const Fusion control = make(FusionKind::mlp);
  const double expected = count(make(FusionKind::transformer));
  EXPECT_NEAR(count(control), expected, 25) << "one unit of its hidden layer";
  const at::NoGradGuard no_grad;
  for (at::Tensor& parameter : control->parameters()) parameter.normal_();
  EXPECT_TRUE(at::equal(control->forward(golden("query"), golden("retrieved"), golden("counts")),
                        control->forward(golden("query"), at::zeros({6, 0, 12}), at::zeros({6}, at::kLong))));
}

// At 512 dimensions: spec numbers of one layer with ratio 1 and 4 and no type embedding.
TEST(Fusion, HasTheSizesOfThePaper) {
  const auto parameters = [](double ratio) {
    Initializer initializer = Initializer::shapes_only();
    const Fusion fusion(FusionOptions{.dim = 512, .mlp_ratio = ratio, .type_embedding = false}, initializer);
    std::int64_t number = 0;
    for (const at::Tensor& parameter : fusion->parameters()) number += parameter.numel();
    return number;
  };
  EXPECT_EQ(2 * parameters(1), 3'155'968);
  EXPECT_EQ(parameters(4), 3'152'384);
}

}  // namespace
}  // namespace cloob

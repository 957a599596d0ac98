#include "cloob/nn/layers.h"

#include <ATen/ATen.h>

#include <cmath>

#include "cloob/nn/eval_mode.h"
#include "support/support.h"

namespace cloob {
namespace {

at::Tensor parameter(torch::nn::Module& module, const std::string& name) {
  return module.named_parameters()[name];
}
at::Tensor buffer(torch::nn::Module& module, const std::string& name) { return module.named_buffers()[name]; }

TEST(Linear, InitializesAsLibTorchOrAsConfigured) {
  Initializer initializer = Initializer::random(1);
  const Linear plain(100, 400, LinearInit{}, initializer);
  EXPECT_LE(plain->weight.abs().max().item<double>(), 0.1);
  EXPECT_NEAR(plain->weight.std().item<double>(), 0.1 / std::sqrt(3.0), 1e-3);
  EXPECT_NEAR(plain->bias.std().item<double>(), 0.1 / std::sqrt(3.0), 5e-3);
  const Linear other(100, 400, LinearInit{.weight_std = 0.7, .zero_bias = true}, initializer);
  EXPECT_NEAR(other->weight.std().item<double>(), 0.7, 1e-2);
  EXPECT_EQ(other->bias.abs().max().item<double>(), 0);
}

TEST(LayerNorm, OfBf16InputIsTheRoundedFloat32Result) {
  Initializer initializer = Initializer::random(1);
  LayerNorm norm(64, initializer);
  at::NoGradGuard no_grad;
  parameter(*norm, "weight").uniform_(0.5, 1.5);
  const at::Tensor x = at::randn({8, 64}).to(at::kBFloat16);
  const at::Tensor y = norm->forward(x);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(y.equal(norm->forward(x.to(at::kFloat)).to(at::kBFloat16)));
}

TEST(LayerNorm, SumsGradientsOfManyBf16TokensInFloat32) {
  Initializer initializer = Initializer::random(1);
  LayerNorm norm(16, initializer);
  const at::Tensor x = at::randn({5000, 16}).to(at::kBFloat16);
  const at::Tensor slope = (at::randn({5000, 16}) + 0.5).to(at::kBFloat16);
  norm->forward(x).backward(slope);
  testing::expect_relative_norm(parameter(*norm, "bias").grad(), slope.to(at::kDouble).sum(0).to(at::kFloat),
                                1e-3);
}

TEST(LayerNorm, StaysInFloat64) {
  Initializer initializer = Initializer::random(1);
  LayerNorm usual(16, initializer), other(16, initializer, /*eps=*/1e-2);
  const at::Tensor x = at::randn({3, 16}, at::kDouble);
  const at::Tensor centered = x - x.mean(1, true);
  for (auto [norm, eps] : {std::pair{usual, 1e-5}, std::pair{other, 1e-2}}) {
    norm->to(at::kDouble);
    testing::expect_close(norm->forward(x), centered / (centered.square().mean(1, true) + eps).sqrt(), 1e-12,
                          1e-14);
  }
}

TEST(Conv2d, AddsABiasIfItsShapeHasOne) {
  Initializer initializer = Initializer::random(1);
  const ConvShape shape{.in_channels = 2, .out_channels = 3, .kernel = 2};
  ConvShape with_bias = shape;
  with_bias.bias = true;
  const Conv2d plain(shape, initializer), biased(with_bias, initializer);
  EXPECT_EQ(plain->named_parameters().size(), 1);
  ASSERT_EQ(biased->named_parameters().size(), 2);
  EXPECT_LE(biased->bias.abs().max().item<double>(), 1 / std::sqrt(8.0));
  EXPECT_GT(biased->bias.abs().min().item<double>(), 0);
  const at::NoGradGuard no_grad;
  plain->weight.copy_(biased->weight);
  const at::Tensor x_BCHW = at::randn({2, 2, 4, 4});
  testing::expect_close(biased->forward(x_BCHW), plain->forward(x_BCHW) + biased->bias.view({3, 1, 1}), 0,
                        1e-6);
}

TEST(BatchNorm, UpdatesRunningStatisticsOnlyInTraining) {
  Initializer initializer = Initializer::random(1);
  BatchNorm norm(3, /*initial_gain=*/1.0, initializer);
  const at::Tensor x = 2 * at::randn({4, 3, 5, 5}) + 1;
  const at::Tensor y = norm->forward(x);
  testing::expect_close(y.mean({0, 2, 3}), at::zeros({3}), 0, 1e-5);
  testing::expect_close(y.var({0, 2, 3}, /*unbiased=*/false), at::ones({3}), 1e-3, 0);
  const at::Tensor running_mean = buffer(*norm, "running_mean").clone();
  testing::expect_close(running_mean, 0.1 * x.mean({0, 2, 3}), 1e-4, 1e-6);
  testing::expect_close(buffer(*norm, "running_var"), 0.9 + 0.1 * x.var({0, 2, 3}, /*unbiased=*/true), 1e-4,
                        0);
  EXPECT_EQ(buffer(*norm, "num_batches_tracked").item<std::int64_t>(), 1);
  {
    const EvalMode eval_mode(*norm);
    norm->forward(x);
  }
  EXPECT_TRUE(norm->is_training());
  EXPECT_TRUE(buffer(*norm, "running_mean").equal(running_mean));
  EXPECT_EQ(buffer(*norm, "num_batches_tracked").item<std::int64_t>(), 1);
}

TEST(BatchNorm, OfRowsIsThatOfImagesOfOnePixel) {
  Initializer initializer = Initializer::random(1);
  BatchNorm of_rows(3, /*initial_gain=*/1.0, initializer), of_images(3, /*initial_gain=*/1.0, initializer);
  const at::Tensor x_BC = 2 * at::randn({7, 3}) + 1;
  const auto expect_equal = [&] {
    testing::expect_close(of_rows->forward(x_BC), of_images->forward(x_BC.view({7, 3, 1, 1})).view({7, 3}),
                          1e-5, 1e-6);
  };
  expect_equal();
  testing::expect_close(buffer(*of_rows, "running_var"), buffer(*of_images, "running_var"), 1e-6, 0);
  of_rows->eval();
  of_images->eval();
  expect_equal();
}

TEST(BatchNorm, RejectsASingleValuePerChannel) {
  Initializer initializer = Initializer::random(1);
  BatchNorm norm(3, /*initial_gain=*/1.0, initializer);
  const at::Tensor single = at::ones({1, 3, 1, 1});
  testing::expect_user_error([&] { norm->forward(single); }, {"batch norm", "train.gradient_cache_parts"});
  EXPECT_TRUE(buffer(*norm, "running_var").equal(at::ones({3})));
  testing::expect_user_error([&] { norm->forward(at::ones({1, 3})); }, {"a single value per channel"});
  norm->forward(at::ones({2, 3}));
  norm->forward(at::ones({2, 3, 1, 1}));
  norm->forward(at::ones({1, 3, 2, 1}));
  norm->eval();
  norm->forward(single);
}

TEST(EvalMode, LeavesAModuleInEvalModeIfItWasBefore) {
  Initializer initializer = Initializer::random(1);
  BatchNorm norm(3, /*initial_gain=*/1.0, initializer);
  norm->eval();
  {
    const EvalMode eval_mode(*norm);
  }
  EXPECT_FALSE(norm->is_training());
}

}  // namespace
}  // namespace cloob

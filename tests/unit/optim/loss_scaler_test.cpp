#include "cloob/optim/loss_scaler.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/named_tensors.h"
#include "support/support.h"

namespace cloob {
namespace {

at::Tensor with_gradient(float first, float second) {
  const at::Tensor parameter = at::zeros({2}).requires_grad_();
  parameter.mutable_grad() = at::tensor({first, second});
  return parameter;
}

// Unscales the gradients and returns whether all of them are finite.
bool unscale(LossScaler& scaler, const NamedTensors& parameters) {
  return scaler.unscale(testing::trained(parameters)).item<float>() == 0.0F;
}

TEST(LossScaler, StartsAsPyTorchDoes) { EXPECT_EQ(LossScaler({}, at::kCPU).current_scale(), 65536.0); }

TEST(LossScaler, UnscalesGradients) {
  LossScaler scaler({.initial_scale = 8}, at::kCPU);
  const at::Tensor parameter = at::ones({2}).requires_grad_();
  scaler.scale((parameter * 0.25).sum()).backward();
  EXPECT_EQ(parameter.grad()[0].item<float>(), 2.0F);
  EXPECT_TRUE(unscale(scaler, {{"weight", parameter}}));
  EXPECT_EQ(parameter.grad()[0].item<float>(), 0.25F);
}

TEST(LossScaler, DetectsAnOverflowInAnyGradient) {
  LossScaler scaler({}, at::kCPU);
  const NamedTensors good{{"a", with_gradient(1, 2)}, {"b", with_gradient(3, 4)}, {"frozen", at::zeros({2})}};
  EXPECT_TRUE(unscale(scaler, good));
  EXPECT_FALSE(unscale(scaler, {{"a", with_gradient(1, 2)}, {"b", with_gradient(3, INFINITY)}}));
  EXPECT_FALSE(unscale(scaler, {{"a", with_gradient(NAN, 2)}, {"b", with_gradient(3, 4)}}));
  EXPECT_TRUE(unscale(scaler, good));
}

TEST(LossScaler, ResumesExactly) {
  const LossScalerOptions options{.initial_scale = 8, .growth_interval = 2};
  LossScaler original(options, at::kCPU), resumed(options, at::kCPU);
  const auto step = [](LossScaler& scaler) {
    unscale(scaler, {{"a", with_gradient(1, 2)}});
    scaler.update();
  };
  for (int i = 0; i < 3; ++i) step(original);
  resumed.load_state(original.state());
  step(original);
  step(resumed);
  EXPECT_EQ(original.current_scale(), 32.0);
  EXPECT_EQ(resumed.current_scale(), 32.0);
}

TEST(LossScaler, RejectsAMismatchedState) {
  LossScaler scaler({}, at::kCPU);
  testing::expect_user_error([&] { scaler.load_state({{"scale", at::ones({})}}); },
                             {"saved loss scaler state", "'growth_tracker'"});
}

}  // namespace
}  // namespace cloob

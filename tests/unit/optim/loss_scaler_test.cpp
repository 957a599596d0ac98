#include "cloob/optim/loss_scaler.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

at::Tensor with_gradient(float first, float second) {
  const at::Tensor parameter = at::zeros({2}).requires_grad_();
  parameter.mutable_grad() = at::tensor({first, second});
  return parameter;
}

TEST(LossScaler, StartsAsPyTorchDoes) { EXPECT_EQ(LossScaler({}, at::kCPU).current_scale(), 65536.0); }

TEST(LossScaler, TakesTheScaleOutOfTheGradientsAgain) {
  LossScaler scaler({.initial_scale = 8}, at::kCPU);
  const at::Tensor parameter = at::ones({2}).requires_grad_();
  scaler.scale((parameter * 0.25).sum()).backward();
  EXPECT_EQ(parameter.grad()[0].item<float>(), 2.0F);
  EXPECT_TRUE(scaler.unscale({{"weight", parameter}}));
  EXPECT_EQ(parameter.grad()[0].item<float>(), 0.25F);
}

TEST(LossScaler, SeesAnOverflowInAnyGradient) {
  LossScaler scaler({}, at::kCPU);
  const NamedTensors good{{"a", with_gradient(1, 2)}, {"b", with_gradient(3, 4)}, {"frozen", at::zeros({2})}};
  EXPECT_TRUE(scaler.unscale(good));
  EXPECT_FALSE(scaler.unscale({{"a", with_gradient(1, 2)}, {"b", with_gradient(3, INFINITY)}}));
  EXPECT_FALSE(scaler.unscale({{"a", with_gradient(NAN, 2)}, {"b", with_gradient(3, 4)}}));
  EXPECT_TRUE(scaler.unscale(good));
}

TEST(LossScaler, ResumedGoesOnAsBefore) {
  const LossScalerOptions options{.initial_scale = 8, .growth_interval = 2};
  LossScaler straight(options, at::kCPU), resumed(options, at::kCPU);
  const auto step = [](LossScaler& scaler) {
    scaler.unscale({{"a", with_gradient(1, 2)}});
    scaler.update();
  };
  for (int i = 0; i < 3; ++i) step(straight);
  resumed.load_state(straight.state());
  step(straight);
  step(resumed);
  EXPECT_EQ(straight.current_scale(), 32.0);
  EXPECT_EQ(resumed.current_scale(), 32.0);
}

TEST(LossScaler, RefusesAnotherState) {
  LossScaler scaler({}, at::kCPU);
  testing::expect_user_error(
      [&] {
        scaler.load_state({{"scale", at::ones({})}});
      },
      {"saved loss scaler state", "'growth_tracker'"});
}

}  // namespace
}  // namespace cloob

#include "cloob/optim/gradients.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

at::Tensor parameter(std::initializer_list<double> gradient) {
  const at::Tensor tensor = at::zeros({static_cast<std::int64_t>(gradient.size())}).requires_grad_();
  tensor.mutable_grad() =
      at::tensor(at::ArrayRef<double>(gradient.begin(), gradient.size()), at::kDouble).to(at::kFloat);
  return tensor;
}

// Gradients of norm 5 in the image tower, 12 in the text tower and 84 in the scale: 13 for both towers, 85
// for all.
TrainedParameters pythagorean() {
  return {{"visual.conv1.weight", {parameter({3}), Tower::image}},
          {"visual.proj", {parameter({0, 4}), Tower::image}},
          {"visual.frozen", {at::ones({2}), Tower::image}},
          {"transformer.resblocks.0.ln_1.weight", {parameter({12, 0, 0}), Tower::text}},
          {"logit_scale", {parameter({84})}}};
}

TEST(GradientNorms, AreComputedPerTower) {
  const GradientNorms norms = gradient_norms(pythagorean());
  EXPECT_FLOAT_EQ(norms.image.item<float>(), 5);
  EXPECT_FLOAT_EQ(norms.text.item<float>(), 12);
  EXPECT_FLOAT_EQ(norms.all.item<float>(), 85);
}

TEST(GradientNorms, AreZeroWithoutGradients) {
  const GradientNorms norms =
      gradient_norms({{"visual.proj", {at::ones({2}).requires_grad_(), Tower::image}}});
  EXPECT_EQ(norms.image.item<float>(), 0);
  EXPECT_EQ(norms.text.item<float>(), 0);
  EXPECT_EQ(norms.all.item<float>(), 0);
}

TEST(GradientNorms, OfBf16GradientsAreFloat32) {
  const at::Tensor bf16 = at::zeros({3}, at::kBFloat16).requires_grad_();
  bf16.mutable_grad() = at::tensor({4096.0F, 16.0F, 0.0F}).to(at::kBFloat16);
  const GradientNorms norms = gradient_norms(
      {{"text_projection", {bf16, Tower::text}}, {"visual.proj", {parameter({1}), Tower::image}}});
  EXPECT_EQ(norms.text.scalar_type(), at::kFloat);
  EXPECT_NEAR(norms.all.item<double>(), std::sqrt(4096.0 * 4096 + 256 + 1), 1e-3);
}

TEST(ClipGradients, ScalesAllGradientsToTheMaximumNorm) {
  const TrainedParameters parameters = pythagorean();
  clip_gradients(parameters, gradient_norms(parameters).all, 17);
  EXPECT_NEAR(gradient_norms(parameters).all.item<double>(), 17, 1e-5);
  EXPECT_NEAR(parameters.at("visual.conv1.weight").tensor.grad().item<double>(), 3.0 / 5, 1e-6);
}

TEST(ClipGradients, LeavesSmallGradientsUnchanged) {
  const TrainedParameters parameters = pythagorean();
  clip_gradients(parameters, gradient_norms(parameters).all, 86);
  EXPECT_EQ(parameters.at("visual.conv1.weight").tensor.grad().item<float>(), 3);
}

TEST(RequireFinite, ReportsTheStepAndTheTower) {
  EXPECT_NO_THROW(require_finite({1.5, 5, 12, 85}, 7));
  testing::expect_user_error([] { require_finite({1.5, 5, INFINITY, INFINITY}, 7); },
                             {"step 7", "loss is 1.5", "5 in the image tower", "inf in the text tower"});
  testing::expect_user_error([] { require_finite({-NAN, 5, 12, 85}, 8); }, {"step 8", "loss is nan"});
}

TEST(RequireFinite, DetectsANonFiniteScaleGradient) {
  testing::expect_user_error([] { require_finite({1.5, 5, 12, NAN}, 7); }, {"step 7"});
}

}  // namespace
}  // namespace cloob

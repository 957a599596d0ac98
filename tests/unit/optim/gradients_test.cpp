#include "cloob/optim/gradients.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

at::Tensor parameter(std::initializer_list<double> gradient) {
  const at::Tensor made = at::zeros({static_cast<std::int64_t>(gradient.size())}).requires_grad_();
  made.mutable_grad() =
      at::tensor(at::ArrayRef<double>(gradient.begin(), gradient.size()), at::kDouble).to(at::kFloat);
  return made;
}

// Gradients of norm 5 in the image tower, 12 in the text tower and 84 in the scale: 13 and 85 together.
NamedTensors pythagorean() {
  return {{"visual.conv1.weight", parameter({3})},
          {"visual.proj", parameter({0, 4})},
          {"visual.frozen", at::ones({2})},
          {"transformer.resblocks.0.ln_1.weight", parameter({12, 0, 0})},
          {"logit_scale", parameter({84})}};
}

TEST(GradientNorms, AreKeptByTower) {
  const GradientNorms norms = gradient_norms(pythagorean());
  EXPECT_FLOAT_EQ(norms.image.item<float>(), 5);
  EXPECT_FLOAT_EQ(norms.text.item<float>(), 12);
  EXPECT_FLOAT_EQ(norms.all.item<float>(), 85);
}

TEST(GradientNorms, WithoutGradientsAreZero) {
  const GradientNorms norms = gradient_norms({{"visual.proj", at::ones({2}).requires_grad_()}});
  EXPECT_EQ(norms.image.item<float>(), 0);
  EXPECT_EQ(norms.text.item<float>(), 0);
  EXPECT_EQ(norms.all.item<float>(), 0);
}

TEST(GradientNorms, OfBf16AreFloat32) {
  const at::Tensor narrow = at::zeros({3}, at::kBFloat16).requires_grad_();
  narrow.mutable_grad() = at::tensor({4096.0F, 16.0F, 0.0F}).to(at::kBFloat16);
  const GradientNorms norms = gradient_norms({{"text_projection", narrow}, {"visual.proj", parameter({1})}});
  EXPECT_EQ(norms.text.scalar_type(), at::kFloat);
  EXPECT_NEAR(norms.all.item<double>(), std::sqrt(4096.0 * 4096 + 256 + 1), 1e-3);
}

TEST(ClipGradients, ScalesAllOfThemToTheLargestNorm) {
  const NamedTensors parameters = pythagorean();
  clip_gradients(parameters, gradient_norms(parameters).all, 17);
  EXPECT_NEAR(gradient_norms(parameters).all.item<double>(), 17, 1e-5);
  EXPECT_NEAR(parameters.at("visual.conv1.weight").grad().item<double>(), 3.0 / 5, 1e-6);
}

TEST(ClipGradients, LeavesSmallGradientsAlone) {
  const NamedTensors parameters = pythagorean();
  clip_gradients(parameters, gradient_norms(parameters).all, 86);
  EXPECT_EQ(parameters.at("visual.conv1.weight").grad().item<float>(), 3);
}

TEST(RequireFinite, NamesTheStepAndTheTower) {
  const at::Tensor loss = at::scalar_tensor(1.5);
  EXPECT_NO_THROW(require_finite(loss, gradient_norms(pythagorean()), 7));

  NamedTensors parameters = pythagorean();
  parameters["text_projection"] = parameter({INFINITY});
  testing::expect_user_error([&] { require_finite(loss, gradient_norms(parameters), 7); },
                             {"step 7", "loss is 1.5", "5 in the image tower", "inf in the text tower"});
  testing::expect_user_error(
      [&] { require_finite(at::scalar_tensor(NAN), gradient_norms(pythagorean()), 8); },
      {"step 8", "loss is nan"});
}

TEST(RequireFinite, SeesAScaleThatIsNotFinite) {
  NamedTensors parameters = pythagorean();
  parameters["logit_scale"] = parameter({NAN});
  testing::expect_user_error([&] { require_finite(at::scalar_tensor(1.5), gradient_norms(parameters), 7); },
                             {"step 7"});
}

}  // namespace
}  // namespace cloob

// The training step on a device against the CPU in fp64. The environment variable CLOOB_TEST_DEVICE names the device: cuda, or
// cpu (the default), where the tests show what fp32 and bf16 cost in precision.

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "cloob/device/device.h"
#include "cloob/device/device_graph.h"
#include "cloob/device/streams.h"
#include "support/support.h"
#include "unit/train/tiny_training.h"

namespace cloob {
namespace {

using testing::batch_of;
using testing::config_of;

c10::Device device_under_test() {
  const char* const name = std::getenv("CLOOB_TEST_DEVICE");
  if (name == nullptr || std::string(name) == "cpu") return at::kCPU;
  return select_device(DeviceChoice::cuda);
}

/// The losses of a few steps, on different batches, and the gradients of the last, on the CPU in fp64.
struct StepResults {
  std::vector<double> losses;
  NamedTensors gradients;
};

StepResults run_steps(const RunConfig& config, c10::Device device, at::ScalarType type,
                      std::int64_t num_steps) {
  constexpr double kLr = 1e-3;
  const ComputeStream compute_stream(device);
  DualEncoder model = testing::model_of(config);
  model->to(device, type);
  testing::TinyTraining training(config, model, device);
  StepResults results;
  for (std::int64_t number = 0; number < num_steps; ++number) {
    Batch batch = batch_of(config, config.train.global_batch_size, static_cast<std::uint64_t>(number));
    batch.images_BCHW = batch.images_BCHW.to(device, type);
    training.step.forward_backward(batch, number);
    for (const auto& [name, parameter] : training.task.parameters())
      results.gradients[name] =
          parameter.tensor.grad().to(at::kCPU, at::kDouble, /*non_blocking=*/false, /*copy=*/true);
    results.losses.push_back(training.step.update(same_for_all(kLr)).loss.item<double>());
  }
  return results;
}

/// Differences of a tensor's gradient relative to its norm; gradients that are zero but for rounding do not count.
void expect_same_gradients(const StepResults& actual, const StepResults& expected, double tolerance) {
  double total = 0;
  for (const auto& [name, gradient] : expected.gradients) total += gradient.square().sum().item<double>();
  const double negligible = 1e-3 * std::sqrt(total);
  ASSERT_EQ(actual.gradients.size(), expected.gradients.size());
  for (const auto& [name, gradient] : expected.gradients) {
    const double difference = (actual.gradients.at(name) - gradient).norm().item<double>();
    EXPECT_LE(difference, tolerance * (gradient.norm().item<double>() + negligible)) << name;
  }
}

/// The cosine between all gradients.
double cosine_of_gradients(const StepResults& a, const StepResults& b) {
  double product = 0, squares_a = 0, squares_b = 0;
  for (const auto& [name, gradient] : a.gradients) {
    product += (gradient * b.gradients.at(name)).sum().item<double>();
    squares_a += gradient.square().sum().item<double>();
    squares_b += b.gradients.at(name).square().sum().item<double>();
  }
  return product / std::sqrt(squares_a * squares_b);
}

class DeviceStep : public ::testing::TestWithParam<std::tuple<ImageEncoderKind, LossKind, RetrievalKind>> {
 protected:
  DeviceStep() {
    allow_tf32(false);
    config_.loss.kind = std::get<1>(GetParam());
    config_.retrieval.kind = std::get<2>(GetParam());
    config_.retrieval.learn_beta = config_.retrieval.kind == RetrievalKind::hopfield;
    config_.train.global_batch_size = 16;
  }

  /// Gradients of a ResNet jump where an input of a ReLU changes its sign: rounding changes them by about its root.
  bool is_smooth() const { return std::get<0>(GetParam()) == ImageEncoderKind::vit; }

  RunConfig config_ = config_of(std::get<0>(GetParam()));
};

TEST_P(DeviceStep, HasTheLossAndTheGradientsOfFp64) {
  const StepResults expected = run_steps(config_, at::kCPU, at::kDouble, 1);
  const StepResults actual = run_steps(config_, device_under_test(), at::kFloat, 1);
  EXPECT_NEAR(actual.losses[0], expected.losses[0], 1e-5);
  expect_same_gradients(actual, expected, 1e-3);
}

TEST_P(DeviceStep, IsCloseInBf16) {
  const StepResults expected = run_steps(config_, at::kCPU, at::kDouble, 1);
  config_.train.precision = Precision::bf16;
  const StepResults actual = run_steps(config_, device_under_test(), at::kFloat, 1);
  EXPECT_NEAR(actual.losses[0], expected.losses[0], std::max(0.03, 0.01 * expected.losses[0]));
  if (is_smooth()) expect_same_gradients(actual, expected, 0.15);
  EXPECT_GT(cosine_of_gradients(actual, expected), is_smooth() ? 0.995 : 0.9);
}

TEST_P(DeviceStep, TrainsLikeFp64) {
  const std::int64_t num_steps = is_smooth() ? 10 : 3;
  const StepResults expected = run_steps(config_, at::kCPU, at::kDouble, num_steps);
  const StepResults actual = run_steps(config_, device_under_test(), at::kFloat, num_steps);
  for (std::size_t step = 0; step < expected.losses.size(); ++step)
    EXPECT_NEAR(actual.losses[step], expected.losses[step], 1e-3) << "step " << step;
}

TEST_P(DeviceStep, IsTheSameWhenItIsCaptured) {
  const c10::Device device = device_under_test();
  if (!graphs_of(device)) GTEST_SKIP() << "the CPU has no graphs";
  const StepResults expected = run_steps(config_, device, at::kFloat, 8);
  config_.train.cuda_graph = true;
  const StepResults actual = run_steps(config_, device, at::kFloat, 8);
  for (std::size_t step = 0; step < expected.losses.size(); ++step)
    EXPECT_NEAR(actual.losses[step], expected.losses[step], is_smooth() ? 1e-4 : 0.05) << "step " << step;
  if (is_smooth()) expect_same_gradients(actual, expected, 1e-2);
}

INSTANTIATE_TEST_SUITE_P(
    Systems, DeviceStep,
    ::testing::Combine(::testing::Values(ImageEncoderKind::vit, ImageEncoderKind::resnet),
                       ::testing::Values(LossKind::info_nce, LossKind::info_loob, LossKind::sigmoid),
                       ::testing::Values(RetrievalKind::none, RetrievalKind::hopfield)),
    [](const auto& system) {
      return std::string(enum_name(std::get<0>(system.param))) + "_" +
             std::string(enum_name(std::get<1>(system.param))) + "_" +
             std::string(enum_name(std::get<2>(system.param)));
    });

}  // namespace
}  // namespace cloob

#include "cloob/model/projection_head.h"

#include <ATen/ATen.h>

#include <cmath>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/device/autocast.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

constexpr ProjectionHeadOptions kSmall{.in = 5, .hidden = 7, .out = 4};

ProjectionHead make_head(const ProjectionHeadOptions& options = kSmall, std::uint64_t seed = 1) {
  Initializer initializer = Initializer::random(seed);
  return ProjectionHead(options, initializer);
}

std::set<std::string> names_of(const ProjectionHead& head) {
  std::set<std::string> names;
  for (const auto& item : head->named_parameters()) names.insert(item.key());
  for (const auto& item : head->named_buffers()) names.insert(item.key());
  return names;
}

TEST(ProjectionHead, IsNamedAsPyTorchsSequential) {
  ProjectionHeadOptions options = kSmall;
  options.hidden_layers = 0;
  EXPECT_EQ(names_of(make_head(options)), (std::set<std::string>{"0.weight", "0.bias"}));
  options.hidden_layers = 2;
  EXPECT_EQ(names_of(make_head(options)),
            (std::set<std::string>{"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean",
                                   "1.running_var", "1.num_batches_tracked", "3.weight", "3.bias", "4.weight",
                                   "4.bias", "4.running_mean", "4.running_var", "4.num_batches_tracked",
                                   "6.weight", "6.bias"}));
}

TEST(ProjectionHead, OfTheResNet50HasTheReferenceNumberOfParameters) {
  Initializer initializer = Initializer::shapes_only();
  ProjectionHeadOptions options;
  options.in = 1024;
  std::int64_t count = 0;
  for (const at::Tensor& parameter : ProjectionHead(options, initializer)->parameters())
    count += parameter.numel();
  EXPECT_EQ(count, 2'365'568);
}

TEST(ProjectionHead, StartsAsPyTorchsLayersDo) {
  ProjectionHead head = make_head({.in = 64, .hidden = 400, .out = 300});
  auto parameters = head->named_parameters();
  for (const auto& [name, fan_in] :
       {std::pair{"0.weight", 64.0}, {"0.bias", 64.0}, {"3.weight", 400.0}, {"3.bias", 400.0}}) {
    EXPECT_LE(parameters[name].abs().max().item<double>(), 1 / std::sqrt(fan_in)) << name;
    EXPECT_NEAR(parameters[name].std().item<double>() * std::sqrt(3 * fan_in), 1, 0.1) << name;
  }
  EXPECT_TRUE(at::equal(parameters["1.weight"], at::ones({400})));
  EXPECT_TRUE(at::equal(parameters["1.bias"], at::zeros({400})));
}

TEST(ProjectionHead, CopyHasTheSameValuesAndMemoryOfItsOwn) {
  ProjectionHead head = make_head();
  head->forward(at::randn({6, 5}));  // moves the running statistics
  ProjectionHead copy = copy_of(head);
  const at::Tensor x = at::randn({6, 5});
  head->eval();
  copy->eval();
  EXPECT_TRUE(at::equal(head->forward(x), copy->forward(x)));
  EXPECT_EQ(copy->named_buffers()["1.num_batches_tracked"].item<std::int64_t>(), 1);
  copy->add_constant_vector(1);
  EXPECT_FALSE(at::equal(head->forward(x), copy->forward(x)));
  Initializer shapes = Initializer::shapes_only();
  EXPECT_TRUE(copy_of(ProjectionHead(kSmall, shapes))->parameters().front().is_meta());
}

TEST(ProjectionHead, AConstantVectorHasTheGivenLength) {
  ProjectionHead head = make_head();
  head->eval();
  const at::Tensor x = at::randn({3, 5}), before = head->forward(x);
  head->add_constant_vector(3);
  testing::expect_close(head->forward(x) - before, at::full({3, 4}, 1.5), 1e-5, 0);
}

TEST(ProjectionHead, UnderAutocastComputesInLowPrecisionAndReturnsFp32) {
  ProjectionHead head = make_head();
  head->eval();
  const at::Tensor x = at::randn({16, 5});
  const at::Tensor exact = head->forward(x);
  const at::Tensor rounded = [&] {
    const Autocast autocast(at::kCPU, Precision::bf16);
    return head->forward(x);
  }();
  EXPECT_EQ(rounded.scalar_type(), at::kFloat);
  EXPECT_FALSE(at::equal(rounded, exact));
  testing::expect_relative_norm(rounded, exact, 0.02);
}

TEST(ProjectionHead, NeedsTwoRowsInTraining) {
  ProjectionHead head = make_head();
  testing::expect_user_error([&] { head->forward(at::ones({1, 5})); }, {"a batch norm got a single value"});
  EXPECT_EQ(head->forward(at::ones({0, 5})).size(0), 0);
  EXPECT_THROW(head->forward(at::ones({2, 4})), InternalError);
  head->eval();
  head->forward(at::ones({1, 5}));
}

struct Gradients {
  at::Tensor output, of_input;
  std::vector<at::Tensor> of_parameters;
};

Gradients gradients_of(ProjectionHead head, const at::Tensor& rows, const at::Tensor& slopes) {
  const at::Tensor x = rows.clone().requires_grad_();
  const at::Tensor output = head->forward(x);
  (output * slopes).sum().backward();
  Gradients gradients{.output = output.detach(), .of_input = x.grad(), .of_parameters = {}};
  for (const at::Tensor& parameter : head->parameters()) gradients.of_parameters.push_back(parameter.grad());
  return gradients;
}

TEST(ProjectionHead, OnRanksWithAnyRowsEqualsOneProcess) {
  at::manual_seed(2);
  const at::Tensor x = at::randn({9, 5}, at::kDouble), slopes = at::randn({9, 4}, at::kDouble);
  const auto head = [] {
    ProjectionHead made = make_head({.in = 5, .hidden = 7, .out = 4, .hidden_layers = 2});
    made->to(at::kDouble);
    return made;
  };
  const Gradients whole = gradients_of(head(), x, slopes);
  std::vector<at::Tensor> sums;
  for (const at::Tensor& gradient : whole.of_parameters) sums.push_back(at::zeros_like(gradient));
  std::mutex mutex;
  testing::run_ranks(3, [&](const Collectives& collectives) {
    constexpr std::int64_t kBegins[] = {0, 7, 7, 9};
    const std::int64_t begin = kBegins[collectives.rank()], end = kBegins[collectives.rank() + 1];
    ProjectionHead of_rank = head();
    synchronize_batch_norms(*of_rank, collectives);
    const Gradients part = gradients_of(of_rank, x.slice(0, begin, end), slopes.slice(0, begin, end));
    const std::scoped_lock lock(mutex);
    testing::expect_close(part.output, whole.output.slice(0, begin, end), 1e-11, 1e-12, "output");
    testing::expect_close(part.of_input, whole.of_input.slice(0, begin, end), 1e-11, 1e-12, "input");
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i].add_(part.of_parameters[i]);
  });
  for (std::size_t i = 0; i < sums.size(); ++i)
    testing::expect_close(sums[i], whole.of_parameters[i], 1e-11, 1e-12, "parameter");
}

}  // namespace
}  // namespace cloob

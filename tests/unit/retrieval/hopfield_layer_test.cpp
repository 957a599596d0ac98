// What hopfield-layers does not check by itself; tests/parity/retrieval compares with it.
#include "cloob/retrieval/hopfield_layer.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <algorithm>
#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_close;

at::Tensor drawn(at::IntArrayRef shape, std::uint64_t seed) {
  at::manual_seed(seed);
  return at::randn(shape);
}

// Association without parameters.
HopfieldShape as_they_are(std::int64_t size) {
  return {.state_size = size,
          .project_state = false,
          .project_stored = false,
          .project_values = false,
          .project_output = false,
          .normalize_state = false,
          .normalize_stored = false,
          .normalize_values = false};
}

TEST(Hopfield, WithoutProjectionsAndNormsHasNoParametersAndIsAttention) {
  Initializer initializer = Initializer::random(1);
  const Hopfield layer(as_they_are(6), initializer);
  EXPECT_TRUE(layer->parameters().empty());
  const at::Tensor state = drawn({2, 3, 6}, 1), stored = drawn({2, 5, 6}, 2), values = drawn({2, 5, 6}, 3);
  expect_close(layer->forward(state, stored, values), at::scaled_dot_product_attention(state, stored, values),
               1e-6, 1e-6);
}

// In sets of one as in larger ones: hopfield-layers mixes the sets here.
TEST(Hopfield, ShowsPatternsThatAreNotProjectedToEveryHead) {
  Initializer initializer = Initializer::random(1);
  HopfieldShape shape = as_they_are(6);
  shape.heads = 2;
  shape.hidden_size = 6;
  shape.beta = {0.5, 8};
  const Hopfield layer(shape, initializer);
  const at::Tensor state = drawn({2, 3, 6}, 1), stored = drawn({2, 5, 6}, 2), values = drawn({2, 5, 6}, 3);
  std::vector<at::Tensor> heads;
  for (const double beta : shape.beta)
    heads.push_back(at::softmax(beta * state.matmul(stored.transpose(1, 2)), 2).matmul(values));
  expect_close(layer->forward(state, stored, values), at::cat(heads, 2), 1e-5, 1e-6);
}

TEST(Hopfield, LearnsABetaForEachHeadFromTheGivenOnes) {
  Initializer initializer = Initializer::random(1);
  const Hopfield layer(HopfieldShape{.state_size = 4, .heads = 2, .beta = {0.5, 8}, .learn_beta = true},
                       initializer);
  const at::Tensor log_beta = layer->named_parameters()["association_core.log_beta"];
  expect_close(log_beta.detach(), at::tensor({std::log(0.5), std::log(8.0)}), 1e-6, 0);
  layer->forward(drawn({1, 3, 4}, 1), drawn({1, 5, 4}, 2), drawn({1, 5, 4}, 3)).square().sum().backward();
  EXPECT_TRUE((log_beta.grad() != 0).all().item<bool>());
}

TEST(Hopfield, ExcludesWhatItsMaskExcludes) {
  Initializer initializer = Initializer::random(1);
  const Hopfield layer(HopfieldShape{.state_size = 4, .heads = 2, .max_update_steps = 3}, initializer);
  const at::Tensor state = drawn({2, 3, 4}, 1), stored = drawn({2, 5, 4}, 2);
  const at::Tensor present = at::ones({2, 1, 5}, at::kBool);
  present.narrow(2, 3, 2).fill_(false);
  const at::Tensor fewer = stored.narrow(1, 0, 3);
  expect_close(layer->forward(state, stored, stored, present), layer->forward(state, fewer, fewer), 1e-5,
               1e-6);
  expect_close(layer->weights(state, stored, present).narrow(3, 3, 2), at::zeros({2, 2, 3, 2}), 0, 0);
}

TEST(Hopfield, DropsWeightsInTrainingOnly) {
  Initializer initializer = Initializer::random(1);
  Hopfield layer(HopfieldShape{.state_size = 4, .dropout = 0.5}, initializer);
  const at::Tensor x = drawn({1, 6, 4}, 1);
  EXPECT_FALSE(at::equal(layer->forward(x, x, x), layer->forward(x, x, x)));
  layer->eval();
  EXPECT_TRUE(at::equal(layer->forward(x, x, x), layer->forward(x, x, x)));
}

TEST(Hopfield, RunsUnderAutocast) {
  Initializer initializer = Initializer::random(1);
  const Hopfield layer(HopfieldShape{.state_size = 8, .heads = 2}, initializer);
  const at::Tensor x = drawn({2, 5, 8}, 1);
  const at::Tensor expected = layer->forward(x, x, x);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const at::Tensor actual = layer->forward(x, x, x);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  testing::expect_relative_norm(actual.to(at::kFloat), expected, 0.02, "output");
}

TEST(HopfieldPooling, DoesNotDependOnTheOrderOfASet) {
  Initializer initializer = Initializer::random(1);
  const HopfieldPooling layer(HopfieldShape{.state_size = 4, .output_size = 3, .heads = 2}, /*num_states=*/2,
                              initializer);
  const at::Tensor set = drawn({2, 5, 4}, 1);
  const at::Tensor pooled = layer->forward(set, set);
  EXPECT_EQ(pooled.sizes(), at::IntArrayRef({2, 6}));
  expect_close(layer->forward(set.flip(1), set.flip(1)), pooled, 1e-5, 1e-7);
}

// A set is positive if it has the pattern that counts: multiple-instance learning.
TEST(HopfieldPooling, LearnsToFindAPatternInASet) {
  Initializer initializer = Initializer::random(2);
  HopfieldPooling layer(HopfieldShape{.state_size = 8, .output_size = 1}, /*num_states=*/1, initializer);
  at::manual_seed(3);
  const at::Tensor signal = at::randn({8});
  const auto draw = [&](std::int64_t num_sets) {
    const at::Tensor sets = at::randn({num_sets, 10, 8}), labels = at::arange(num_sets).remainder(2);
    sets.select(1, 0).copy_(at::where(labels.unsqueeze(1) == 1, signal, sets.select(1, 0)));
    return std::pair(sets, labels.to(at::kFloat));
  };
  const std::vector<at::Tensor> parameters = layer->parameters();
  for (int step = 0; step < 400; ++step) {
    const auto [sets, labels] = draw(64);
    const at::Tensor loss =
        at::binary_cross_entropy_with_logits(layer->forward(sets, sets).squeeze(1), labels);
    for (const at::Tensor& parameter : parameters) parameter.mutable_grad().reset();
    loss.backward();
    const at::NoGradGuard no_grad;
    for (const at::Tensor& parameter : parameters) {
      if (parameter.grad().defined()) parameter.sub_(0.05 * parameter.grad().sign());
    }
  }
  const auto [sets, labels] = draw(1000);
  const at::Tensor is_right = (layer->forward(sets, sets).squeeze(1) > 0).eq(labels == 1);
  EXPECT_GT(is_right.to(at::kFloat).mean().item<double>(), 0.9);
}

}  // namespace
}  // namespace cloob

#include "train/graphed_step.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include "cloob/base/error.h"
#include "support/support.h"
#include "unit/train/rerun_graph.h"

namespace cloob {
namespace {

using testing::expect_user_error;

/// Counts captures and replays; a test can set what happens at a replay.
class FakeGraph final : public DeviceGraph {
 public:
  void capture(const std::function<void()>& work) override {
    work();
    ++num_captures;
  }
  void replay() override {
    ++num_replays;
    if (on_replay) on_replay();
  }

  static inline int num_captures = 0;
  static inline int num_replays = 0;
  static inline std::function<void()> on_replay;
};

class GraphedStepTest : public ::testing::Test {
 protected:
  GraphedStepTest() {
    FakeGraph::num_captures = 0;
    FakeGraph::num_replays = 0;
    FakeGraph::on_replay = nullptr;
  }

  // weight * sum(x), whose gradient is sum(x).
  std::vector<at::Tensor> work(const std::vector<at::Tensor>& inputs) {
    ++num_calls_;
    last_input_ = inputs.front();
    at::Tensor product = weight_ * inputs.front().sum();
    product.backward();
    last_output_ = product.detach();
    return {last_output_};
  }

  // Clears the gradient first, as a training step does.
  double run(const at::Tensor& input) {
    weight_.mutable_grad().reset();
    return graphed_.run({input})[0].item<double>();
  }

  at::Tensor weight_ = at::full({}, 3.0, at::kDouble).requires_grad_();
  at::Tensor last_input_, last_output_;
  int num_calls_ = 0;
  GraphedStep graphed_{[] { return std::make_unique<FakeGraph>(); },
                       [this](const std::vector<at::Tensor>& inputs) { return work(inputs); },
                       {weight_}};
};

TEST_F(GraphedStepTest, CapturesTheThirdCallAndReplaysItAfterwards) {
  const at::Tensor first = at::ones({2}, at::kDouble);
  EXPECT_EQ(run(first), 6);
  EXPECT_EQ(run(first), 6);
  EXPECT_EQ(FakeGraph::num_captures, 0);
  run(first);
  EXPECT_EQ(num_calls_, 3);
  EXPECT_EQ(FakeGraph::num_captures, 1);
  EXPECT_EQ(FakeGraph::num_replays, 1) << "a capture computes nothing";

  // Does what the device would do: reads and writes the captured tensors.
  const at::Tensor input = last_input_, output = last_output_, gradient = weight_.grad();
  EXPECT_FALSE(input.is_same(first));
  FakeGraph::on_replay = [&] {
    const at::NoGradGuard no_grad;
    gradient.copy_(input.sum());
    output.copy_(weight_ * input.sum());
  };
  for (const double value : {5.0, 7.0}) {
    EXPECT_EQ(run(at::full({2}, value, at::kDouble)), 6 * value);
    EXPECT_EQ(weight_.grad().item<double>(), 2 * value);
  }
  EXPECT_EQ(num_calls_, 3);
}

TEST_F(GraphedStepTest, CapturesEveryShapeAndSharesOneSetOfGradients) {
  std::vector<at::Tensor> gradients;
  for (int call = 0; call < 5; ++call) {
    for (const std::int64_t size : {2, 3}) {
      run(at::ones({size}, at::kDouble));
      if (call >= 2) gradients.push_back(weight_.grad());
    }
  }
  EXPECT_EQ(num_calls_, 2 * 3);
  EXPECT_EQ(FakeGraph::num_captures, 2);
  for (const at::Tensor& gradient : gradients) EXPECT_TRUE(gradient.is_same(gradients.front()));
}

// At a replay the gradients still contain those of the previous step, of the same or another shape.
TEST_F(GraphedStepTest, CapturesZeroingOfTheGradients) {
  GraphedStep graphed([] { return std::make_unique<testing::RerunGraph>(); },
                      [this](const std::vector<at::Tensor>& inputs) { return work(inputs); }, {weight_});
  for (int call = 1; call <= 5; ++call) {
    for (const std::int64_t size : {2, 3}) {
      weight_.mutable_grad().reset();
      EXPECT_EQ(graphed.run({at::full({size}, call, at::kDouble)})[0].item<double>(), 3 * call * size);
      EXPECT_EQ(weight_.grad().item<double>(), static_cast<double>(call * size));
    }
  }
}

TEST_F(GraphedStepTest, ReturnsCopiesOfTheOutputs) {
  const at::Tensor input = at::ones({2}, at::kDouble);
  for (int call = 0; call < 2; ++call) run(input);
  weight_.mutable_grad().reset();
  const at::Tensor result = graphed_.run({input})[0];
  last_output_.zero_();  // as the next replay writes there
  EXPECT_EQ(result.item<double>(), 6);
}

TEST_F(GraphedStepTest, RejectsLeavesWithGradients) {
  const at::Tensor input = at::ones({2}, at::kDouble);
  graphed_.run({input});
  EXPECT_THROW(graphed_.run({input}), InternalError);
}

TEST(GraphedStep, ReportsWorkThatCannotBeCaptured) {
  int num_calls = 0;
  const auto work = [&](const std::vector<at::Tensor>& inputs) {
    TORCH_CHECK(++num_calls <= 2, "operation not permitted\nwhen stream is capturing");
    return inputs;
  };
  const at::Tensor input = at::ones({2}), leaf = at::ones({}).requires_grad_();
  GraphedStep graphed([] { return std::make_unique<FakeGraph>(); }, work, {leaf});
  for (int call = 0; call < 2; ++call) graphed.run({input});
  expect_user_error([&] { graphed.run({input}); },
                    {"train.cuda_graph", "(operation not permitted)", "train without it"});
}

}  // namespace
}  // namespace cloob

#include "train/replayed_work.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include "cloob/base/error.h"
#include "support/support.h"
#include "unit/train/rerun_graph.h"

namespace cloob {
namespace {

using testing::expect_user_error;

/// Counts, and does at a replay what the test says.
class FakeGraph final : public DeviceGraph {
 public:
  void record(const std::function<void()>& work) override {
    work();
    ++num_recordings;
  }
  void replay() override {
    ++num_replays;
    if (on_replay) on_replay();
  }

  static inline int num_recordings = 0;
  static inline int num_replays = 0;
  static inline std::function<void()> on_replay;
};

class ReplayedWorkTest : public ::testing::Test {
 protected:
  ReplayedWorkTest() {
    FakeGraph::num_recordings = 0;
    FakeGraph::num_replays = 0;
    FakeGraph::on_replay = nullptr;
  }

  // weight * sum(x), whose gradient is sum(x).
  at::Tensor work(const std::vector<at::Tensor>& inputs) {
    ++num_calls_;
    last_input_ = inputs.front();
    at::Tensor product = weight_ * inputs.front().sum();
    product.backward();
    last_output_ = product.detach();
    return last_output_;
  }

  // As a step does it: without a gradient from before.
  double run(const at::Tensor& input) {
    weight_.mutable_grad().reset();
    return replayed_.run({input}).item<double>();
  }

  at::Tensor weight_ = at::full({}, 3.0, at::kDouble).requires_grad_();
  at::Tensor last_input_, last_output_;
  int num_calls_ = 0;
  ReplayedWork replayed_{[] { return std::make_unique<FakeGraph>(); },
                         [this](const std::vector<at::Tensor>& inputs) { return work(inputs); },
                         {weight_}};
};

TEST_F(ReplayedWorkTest, RecordsTheThirdCallAndReplaysItFromThereOn) {
  const at::Tensor first = at::ones({2}, at::kDouble);
  EXPECT_EQ(run(first), 6);
  EXPECT_EQ(run(first), 6);
  EXPECT_EQ(FakeGraph::num_recordings, 0);
  run(first);
  EXPECT_EQ(num_calls_, 3);
  EXPECT_EQ(FakeGraph::num_recordings, 1);
  EXPECT_EQ(FakeGraph::num_replays, 1) << "recording computes nothing";

  // What the device would do: read and write where the recording did.
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

TEST_F(ReplayedWorkTest, RecordsEveryShapeAndHoldsOneSetOfGradients) {
  std::vector<at::Tensor> gradients;
  for (int call = 0; call < 5; ++call) {
    for (const std::int64_t size : {2, 3}) {
      run(at::ones({size}, at::kDouble));
      if (call >= 2) gradients.push_back(weight_.grad());
    }
  }
  EXPECT_EQ(num_calls_, 2 * 3);
  EXPECT_EQ(FakeGraph::num_recordings, 2);
  for (const at::Tensor& gradient : gradients) EXPECT_TRUE(gradient.is_same(gradients.front()));
}

// The gradients that a replay finds are those of the step before, of this shape or of another one.
TEST_F(ReplayedWorkTest, RecordsThatTheGradientsBeginAtZero) {
  ReplayedWork replayed([] { return std::make_unique<testing::RerunGraph>(); },
                        [this](const std::vector<at::Tensor>& inputs) { return work(inputs); }, {weight_});
  for (int call = 1; call <= 5; ++call) {
    for (const std::int64_t size : {2, 3}) {
      weight_.mutable_grad().reset();
      EXPECT_EQ(replayed.run({at::full({size}, call, at::kDouble)}).item<double>(), 3 * call * size);
      EXPECT_EQ(weight_.grad().item<double>(), static_cast<double>(call * size));
    }
  }
}

TEST_F(ReplayedWorkTest, HandsOutResultsThatLast) {
  const at::Tensor input = at::ones({2}, at::kDouble);
  for (int call = 0; call < 2; ++call) run(input);
  weight_.mutable_grad().reset();
  const at::Tensor result = replayed_.run({input});
  last_output_.zero_();  // as the next replay writes there
  EXPECT_EQ(result.item<double>(), 6);
}

TEST_F(ReplayedWorkTest, RefusesLeavesThatHaveGradients) {
  const at::Tensor input = at::ones({2}, at::kDouble);
  replayed_.run({input});
  EXPECT_THROW(replayed_.run({input}), InternalError);
}

TEST(ReplayedWork, SaysWhatToDoAboutWhatCannotBeRecorded) {
  int num_calls = 0;
  const auto work = [&](const std::vector<at::Tensor>& inputs) {
    TORCH_CHECK(++num_calls <= 2, "operation not permitted\nwhen stream is capturing");
    return inputs.front();
  };
  const at::Tensor input = at::ones({2}), leaf = at::ones({}).requires_grad_();
  ReplayedWork replayed([] { return std::make_unique<FakeGraph>(); }, work, {leaf});
  for (int call = 0; call < 2; ++call) replayed.run({input});
  expect_user_error([&] { replayed.run({input}); },
                    {"train.cuda_graph", "(operation not permitted)", "train without it"});
}

}  // namespace
}  // namespace cloob

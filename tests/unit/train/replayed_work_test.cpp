#include "train/replayed_work.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "cloob/base/error.h"
#include "support/support.h"

namespace cloob {
namespace {

/// Stands for a device's graph, under the name of a device that this program does not use otherwise: it
/// counts, and what a replay does is up to the test.
class FakeGraph final : public at::GraphImplInterface {
 public:
  explicit FakeGraph(const at::GraphImplArgs& /*args*/) {}

  void capture_begin(c10::MempoolId_t pool, at::GraphCaptureMode /*mode*/) override { pools.push_back(pool); }
  void capture_end() override {}
  void instantiate() override {}
  void replay() override {
    ++num_replays;
    if (on_replay) on_replay();
  }
  void reset() override {}
  c10::MempoolId_t pool() const override { return {0, 7}; }
  void enable_debug_mode() override {}
  void debug_dump(const std::string& /*path*/) override {}

  static inline std::vector<c10::MempoolId_t> pools;  // one for each recording
  static inline int num_replays = 0;
  static inline std::function<void()> on_replay;
};
using at::GraphImplRegistry;            // which the macro names
using at::RegistererGraphImplRegistry;  // without their namespace
REGISTER_GRAPH_IMPL(META, FakeGraph)

class ReplayedWorkTest : public ::testing::Test {
 protected:
  ReplayedWorkTest() {
    FakeGraph::pools.clear();
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
  double run(ReplayedWork& replayed, const at::Tensor& input) {
    weight_.mutable_grad().reset();
    return replayed.run({input}).item<double>();
  }

  ReplayedWork on(c10::DeviceType device) {
    return {device, [this](const std::vector<at::Tensor>& inputs) { return work(inputs); }, {weight_}};
  }

  at::Tensor weight_ = at::full({}, 3.0, at::kDouble).requires_grad_();
  at::Tensor last_input_, last_output_;
  int num_calls_ = 0;
};

TEST_F(ReplayedWorkTest, RecordsTheThirdCallAndReplaysItFromThereOn) {
  ReplayedWork replayed = on(at::kMeta);
  const at::Tensor first = at::ones({2}, at::kDouble);
  EXPECT_EQ(run(replayed, first), 6);
  EXPECT_EQ(run(replayed, first), 6);
  EXPECT_TRUE(FakeGraph::pools.empty());
  run(replayed, first);
  EXPECT_EQ(num_calls_, 3);
  EXPECT_EQ(FakeGraph::pools.size(), 1);
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
    EXPECT_EQ(run(replayed, at::full({2}, value, at::kDouble)), 6 * value);
    EXPECT_EQ(weight_.grad().item<double>(), 2 * value);
  }
  EXPECT_EQ(num_calls_, 3);
}

TEST_F(ReplayedWorkTest, RecordsEveryShapeInOnePoolOfMemory) {
  ReplayedWork replayed = on(at::kMeta);
  for (int call = 0; call < 5; ++call) {
    for (const std::int64_t size : {2, 3}) run(replayed, at::ones({size}, at::kDouble));
  }
  EXPECT_EQ(num_calls_, 2 * 3);
  ASSERT_EQ(FakeGraph::pools.size(), 2);
  EXPECT_EQ(FakeGraph::pools[0], (c10::MempoolId_t{0, 0}));
  EXPECT_EQ(FakeGraph::pools[1], (c10::MempoolId_t{0, 7}));
}

TEST_F(ReplayedWorkTest, RunsWhereThereAreNoGraphs) {
  ReplayedWork replayed = on(at::kCPU);
  for (int call = 1; call <= 5; ++call) {
    EXPECT_EQ(run(replayed, at::full({2}, call, at::kDouble)), 6 * call);
    EXPECT_EQ(weight_.grad().item<double>(), 2 * call);
  }
}

TEST_F(ReplayedWorkTest, DoesNotRecordAnAddition) {
  ReplayedWork replayed = on(at::kMeta);
  const at::Tensor input = at::ones({2}, at::kDouble);
  for (int call = 0; call < 2; ++call) replayed.run({input});
  EXPECT_THROW(replayed.run({input}), InternalError);
}

}  // namespace
}  // namespace cloob

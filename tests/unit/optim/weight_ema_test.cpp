#include "cloob/optim/weight_ema.h"

#include <ATen/ATen.h>

#include "support/support.h"

namespace cloob {
namespace {

at::Tensor weight(double value, at::ScalarType type = at::kFloat) { return at::full({3}, value, type); }

TEST(WeightEma, FollowsTheWeightsWithAWarmup) {
  const at::Tensor live = weight(1);
  WeightEma average({{"w", live}}, 0.5);
  double expected = 1;
  for (int update = 0; update < 20; ++update) {
    live.fill_(update);
    average.update();
    const double decay = std::min(0.5, (1.0 + update) / (10.0 + update));
    expected = decay * expected + (1 - decay) * update;
    testing::expect_close(average.weights().at("w"), weight(expected), 1e-6, 1e-6);
  }
}

TEST(WeightEma, SkippedUpdatesChangeNothing) {
  const at::Tensor live = weight(1);
  WeightEma average({{"w", live}}, 0.9), other({{"w", live}}, 0.9);
  live.fill_(3);
  average.update(/*skip=*/at::ones({}));
  EXPECT_TRUE(at::equal(average.weights().at("w"), weight(1)));
  average.update(/*skip=*/at::zeros({}));
  other.update();
  EXPECT_TRUE(at::equal(average.weights().at("w"), other.weights().at("w")));
  EXPECT_EQ(average.state().at("updates").item<std::int64_t>(), 1);
}

TEST(WeightEma, DoesNotAverageCounters) {
  const at::Tensor counter = at::zeros({}, at::kLong);
  WeightEma average({{"bn1.num_batches_tracked", counter}, {"w", weight(1)}}, 0.9);
  counter.fill_(7);
  average.update();
  EXPECT_EQ(average.weights().at("bn1.num_batches_tracked").item<std::int64_t>(), 7);
}

TEST(WeightEma, AveragesABf16WeightInFloat32) {
  const at::Tensor live = weight(1, at::kBFloat16);
  WeightEma average({{"w", live}}, 0.9999);
  for (int update = 0; update < 5; ++update) average.update();
  live.fill_(1 + 1.0 / 128);
  for (int update = 0; update < 3; ++update) average.update();
  EXPECT_EQ(average.weights().at("w").scalar_type(), at::kBFloat16);
  EXPECT_EQ(average.state().at("w").scalar_type(), at::kFloat);
  EXPECT_GT(average.state().at("w")[0].item<double>(), 1 + 1e-4);
}

TEST(WeightEma, ResumesBitForBit) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor live = weight(1, type);
    WeightEma original({{"w", live}}, 0.999);
    const auto update_several_times = [&](WeightEma& average) {
      for (int i = 0; i < 4; ++i) {
        live.fill_(1 + 0.3 * i);
        average.update();
      }
    };
    update_several_times(original);
    WeightEma resumed({{"w", live}}, 0.999);
    NamedTensors state = original.state();
    for (auto& [name, tensor] : state) tensor = tensor.clone();
    resumed.load_state(original.weights(), state);
    update_several_times(original);
    update_several_times(resumed);
    EXPECT_TRUE(at::equal(original.weights().at("w"), resumed.weights().at("w")));
    EXPECT_EQ(original.state().contains("w"), type == at::kBFloat16);
  }
  WeightEma other({{"w", weight(1)}}, 0.9);
  testing::expect_user_error([&] { other.load_state({{"w", weight(1)}}, {}); },
                             {"saved weight average state", "'updates'"});
}

TEST(BorrowedWeights, AreRestoredAtTheEnd) {
  const at::Tensor live = weight(0.1).requires_grad_();
  const at::Tensor before = live.detach().clone();
  {
    const BorrowedWeights borrowed({{"w", live}}, {{"w", weight(5)}});
    EXPECT_EQ(live[0].item<float>(), 5);
  }
  EXPECT_TRUE(at::equal(live.detach(), before));
}

}  // namespace
}  // namespace cloob

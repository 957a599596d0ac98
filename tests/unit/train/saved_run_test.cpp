#include "train/saved_run.h"

#include <ATen/Context.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <gmock/gmock.h>

#include "cloob/base/log.h"
#include "cloob/device/random_state.h"
#include "support/number_source.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::NumberSource;

/// Four shards that are read as streams.
class NumberStream final : public Source {
 public:
  std::int64_t size() const override { return numbers_.size(); }
  std::vector<SourcePart> parts() const override { return {{20}, {20}, {20}, {8}}; }
  bool is_stream() const override { return true; }
  RawSample read(std::int64_t index) const override { return numbers_.read(index); }
  std::string describe(std::int64_t index) const override { return numbers_.describe(index); }

 private:
  NumberSource numbers_{68};
};

std::unique_ptr<Loader> open(const std::shared_ptr<const Source>& source, std::int64_t world_size) {
  LoaderOptions options = testing::training_options(6);
  options.shuffle = Shuffle::windows;
  options.world_size = world_size;
  return std::make_unique<Loader>(source, testing::number_preprocess(), options);
}

TrainingState state_of(const Loader& loader, std::int64_t position) {
  TrainingState state;
  state.data_position = position;
  state.data_size = loader.places_per_epoch();
  state.data_ranks = loader.order().shares().ranks();
  return state;
}

/// The ranks are threads of one process and share its generator: this takes one rank's part at a time.
class OneOfRanks final : public Collectives {
 public:
  OneOfRanks(std::int64_t rank, std::int64_t world_size) : rank_(rank), world_size_(world_size) {}
  std::int64_t rank() const override { return rank_; }
  std::int64_t world_size() const override { return world_size_; }
  GatheredRows gather_rows(const at::Tensor&) const override { return {}; }
  void sum_in_place(std::span<const at::Tensor>) const override {}
  double max(double number) const override { return number; }
  void broadcast(const NamedTensors&) const override {}

 private:
  std::int64_t rank_, world_size_;
};

Checkpoint with_states(NamedTensors states) {
  Checkpoint checkpoint;
  checkpoint.training = std::move(states);
  for (const char* name : {"run.loss_sum", "run.loss_count"})
    checkpoint.training.emplace(name, at::scalar_tensor(0));
  return checkpoint;
}

// The first number that a rank draws after it has restored its state.
float first_number(const Checkpoint& checkpoint, std::int64_t rank, std::int64_t world_size) {
  at::manual_seed(99);
  restore_random_numbers(checkpoint, at::kCPU, OneOfRanks(rank, world_size));
  return at::rand({1}).item<float>();
}

TEST(RandomNumbers, OfEveryRankContinue) {
  constexpr std::int64_t kRanks = 3;
  std::vector<at::Tensor> states;
  std::vector<float> next;
  for (std::int64_t rank = 0; rank < kRanks; ++rank) {
    at::manual_seed(static_cast<std::uint64_t>(rank));
    at::rand({7});
    states.push_back(random_state(at::kCPU));
    next.push_back(at::rand({1}).item<float>());
  }
  at::manual_seed(99);
  const float anew = at::rand({1}).item<float>();
  Checkpoint checkpoint =
      with_states({{"random.cpu", states[0]}, {"random.cpu_of_ranks", at::stack(states)}});
  for (std::int64_t rank = 0; rank < kRanks; ++rank)
    EXPECT_EQ(first_number(checkpoint, rank, kRanks), next[static_cast<std::size_t>(rank)]);
  EXPECT_EQ(first_number(checkpoint, 0, 2), next[0]);
  EXPECT_EQ(first_number(checkpoint, 1, 2), anew) << "another number of ranks";
  checkpoint.training.erase("random.cpu_of_ranks");
  EXPECT_EQ(first_number(checkpoint, 0, kRanks), next[0]) << "of an older program";
  EXPECT_EQ(first_number(checkpoint, 1, kRanks), anew);
}

TEST(RandomNumbers, AreSavedForEveryRank) {
  testing::run_ranks(3, [](const Collectives& collectives) {
    const NamedTensors states = random_numbers(at::kCPU, collectives);
    EXPECT_EQ(states.at("random.cpu").dim(), 1);
    EXPECT_EQ(states.at("random.cpu_of_ranks").size(0), 3);
    EXPECT_TRUE(at::equal(states.at("random.cpu_of_ranks")[0], states.at("random.cpu")));
  });
  EXPECT_EQ(random_numbers(at::kCPU, SingleProcess()).size(), 1U);
}

TEST(Seek, ContinuesAtTheSavedPosition) {
  for (const std::int64_t world_size : {1, 3}) {
    const auto loader = open(std::make_shared<NumberStream>(), world_size);
    seek(*loader, state_of(*loader, 100), /*allow_reordering=*/false);
    EXPECT_EQ(loader->position(), 100);
  }
}

TEST(Seek, OfFilesDoesNotDependOnTheRanks) {
  const auto source = std::make_shared<NumberSource>(68);
  const auto loader = open(source, 3);
  seek(*loader, state_of(*open(source, 2), 100), /*allow_reordering=*/false);
  EXPECT_EQ(loader->position(), 100);
}

TEST(Seek, RefusesStreamsOnAnotherNumberOfRanks) {
  const auto source = std::make_shared<NumberStream>();
  const auto one = open(source, 1), two = open(source, 2), three = open(source, 3);
  expect_user_error([&] { seek(*three, state_of(*two, 100), false); },
                    {"divided over 2 ranks when the checkpoint was written", "over 3 now",
                     "continue with 2 ranks, or set data.allow_reordering to true"});
  expect_user_error([&] { seek(*three, state_of(*one, 100), false); }, {"over 1 rank when", "over 3 now"});
  expect_user_error([&] { seek(*one, state_of(*two, 100), false); }, {"over 2 ranks when", "over 1 now"});
}

TEST(Seek, MayContinueInAnotherOrderAfterAsManySamples) {
  set_log_level(LogLevel::error);
  const auto source = std::make_shared<NumberStream>();
  const auto one = open(source, 1), two = open(source, 2), three = open(source, 3);
  // Shares of 28, 20 and 20: all places up to 60 have samples, and one in three behind.
  seek(*one, state_of(*three, 84 + 60), true);
  EXPECT_EQ(one->position(), 68 + 60);
  seek(*one, state_of(*three, 84 + 70), true);
  EXPECT_EQ(one->position(), 68 + 64);
  seek(*three, state_of(*one, 68 + 64), true);
  EXPECT_EQ(three->order().shares().samples_before(three->position() - 84), 64);
  seek(*two, state_of(*three, 84 + 84), true);
  EXPECT_EQ(two->epochs_done(), 2) << "the epoch was complete";
}

TEST(Seek, RestartsTheEpochIfTheDataHasChanged) {
  set_log_level(LogLevel::error);
  const auto three = open(std::make_shared<NumberStream>(), 3);
  TrainingState state = state_of(*three, 84 + 12);
  state.data_size = 81;
  seek(*three, state, /*allow_reordering=*/false);
  EXPECT_EQ(three->position(), 84);
  state.data_ranks = 2;
  seek(*three, state, /*allow_reordering=*/true);
  EXPECT_EQ(three->position(), 84);
}

}  // namespace
}  // namespace cloob

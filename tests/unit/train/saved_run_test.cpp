#include "train/saved_run.h"

#include <gmock/gmock.h>

#include "cloob/base/log.h"
#include "support/number_source.h"
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

// Training on streams by several ranks: each shard is read by one of them.
#include <fmt/core.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/data/loader/loader.h"
#include "cloob/data/source.h"
#include "support/number_source.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using Indices = std::vector<std::int64_t>;
using Ranks = std::vector<std::unique_ptr<Loader>>;

/// Shards that are read by commands, each of which writes its number into a file when it starts.
class PipedShards {
 public:
  explicit PipedShards(const Indices& sizes) {
    std::int64_t index = 0;
    for (std::size_t shard = 0; shard < sizes.size(); ++shard) {
      testing::Members members;
      for (std::int64_t i = 0; i < sizes[shard]; ++i, ++index) {
        std::string image(sizeof(index), '\0');
        std::memcpy(image.data(), &index, sizeof(index));
        members.emplace_back(fmt::format("{:06}.jpg", index), image);
        members.emplace_back(fmt::format("{:06}.txt", index), fmt::format("number {}", index));
      }
      const auto path = testing::write_tar(folder_ / fmt::format("{:03}.tar", shard), members);
      names_.push_back(fmt::format("pipe:echo {} >> '{}'; cat '{}'", shard, (folder_ / "started").string(),
                                   path.string()));
    }
  }

  std::shared_ptr<const Source> source(std::vector<double> weights = {}) const {
    DataConfig config;
    config.index_folder = (folder_ / "index").string();
    config.train_weights = std::move(weights);
    auto source = make_source(config, names_, Purpose::training);
    std::filesystem::remove(folder_ / "started");  // those for counting
    return source;
  }
  /// How often the command of each shard was started since the source was opened.
  std::map<std::int64_t, std::int64_t> num_started() const {
    std::map<std::int64_t, std::int64_t> counts;
    for (const std::string& line : split(read_file(folder_ / "started"), '\n')) {
      if (const auto shard = parse_integer(line)) ++counts[*shard];
    }
    return counts;
  }

 private:
  testing::TempDir folder_;
  std::vector<std::string> names_;
};

LoaderOptions stream_options(std::int64_t batch_size, std::int64_t world_size) {
  LoaderOptions options = testing::training_options(batch_size);
  options.shuffle = Shuffle::windows;
  options.stream_buffer = 6;
  options.world_size = world_size;
  return options;
}

Ranks open_ranks(const std::shared_ptr<const Source>& source, LoaderOptions options,
                 std::int64_t position = 0) {
  Ranks ranks;
  for (options.rank = 0; options.rank < options.world_size; ++options.rank) {
    ranks.push_back(std::make_unique<Loader>(source, testing::number_preprocess(), options));
    ranks.back()->seek(position);
  }
  return ranks;
}

// The next batch of each rank, which all have the same position.
std::vector<Batch> next_batches(const Ranks& ranks) {
  std::vector<Batch> batches;
  for (const auto& rank : ranks) batches.push_back(rank->next());
  for (const auto& rank : ranks) EXPECT_EQ(rank->position(), ranks[0]->position());
  return batches;
}

Indices indices_of_epoch(const Ranks& ranks) {
  Indices indices;
  for (std::int64_t k = ranks[0]->batches_per_epoch(); k > 0; --k) {
    for (const Batch& batch : next_batches(ranks))
      indices.insert(indices.end(), batch.indices.begin(), batch.indices.end());
  }
  return indices;
}

TEST(StreamRanks, ReadEverySampleOnceAndEveryShardOnOneRank) {
  const Indices sizes = {9, 20, 0, 14, 7, 16, 11, 5};
  const PipedShards shards(sizes);
  Indices all(static_cast<std::size_t>(std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0})));
  std::iota(all.begin(), all.end(), 0);
  for (const std::int64_t world_size : {2, 3}) {
    const auto source = shards.source();
    constexpr int kEpochs = 3;
    {
      LoaderOptions options = stream_options(/*batch_size=*/1, world_size);  // none are left out
      const Ranks ranks = open_ranks(source, options);
      EXPECT_EQ(ranks[0]->samples_per_epoch(), std::ssize(all));
      std::vector<Indices> orders;
      for (int epoch = 0; epoch < kEpochs; ++epoch) {
        EXPECT_EQ(ranks[0]->epochs_done(), epoch);
        orders.push_back(indices_of_epoch(ranks));
        Indices sorted = orders.back();
        std::ranges::sort(sorted);
        ASSERT_EQ(sorted, all) << world_size << " ranks, epoch " << epoch;
      }
      EXPECT_NE(orders[0], orders[1]);
    }
    const auto started = shards.num_started();
    for (std::int64_t shard = 0; shard < std::ssize(sizes); ++shard) {
      if (sizes[static_cast<std::size_t>(shard)] == 0) continue;
      EXPECT_GE(started.at(shard), kEpochs);
      EXPECT_LE(started.at(shard), kEpochs + 1) << "two windows are read ahead, perhaps of the next epoch";
    }
  }
}

TEST(StreamRanks, HaveAtMostTheirSliceOfABatchAndEmptyBatchesAtTheEnd) {
  const PipedShards shards({20, 20, 20, 8});
  const Ranks ranks = open_ranks(shards.source(), stream_options(/*batch_size=*/8, /*world_size=*/3));
  // The shares are 28, 20 and 20: 84 places in batches of 8.
  ASSERT_EQ(ranks[0]->batches_per_epoch(), 10);
  Indices total(3);
  for (int k = 0; k < 10; ++k) {
    const std::vector<Batch> batches = next_batches(ranks);
    for (std::size_t rank = 0; rank < 3; ++rank) {
      const std::int64_t rows = batches[rank].size();
      total[rank] += rows;
      EXPECT_LE(rows, 3);
      if (k < 7) {
        EXPECT_GE(rows, 2) << "batch " << k << " on rank " << rank;
      }
      if (k >= 8) {
        EXPECT_EQ(rows > 0, rank == 0) << "batch " << k << " on rank " << rank;
      }
      EXPECT_EQ(batches[rank].images_BCHW.size(0), rows);
      EXPECT_EQ(batches[rank].tokens_BL.size(0), rows);
    }
  }
  EXPECT_THAT(total, ::testing::ElementsAre(27, 20, 20)) << "the last 4 places are dropped";
  EXPECT_EQ(ranks[0]->epochs_done(), 1);
  for (const Batch& batch : next_batches(ranks)) EXPECT_GE(batch.size(), 2) << "the next epoch";
}

TEST(StreamRanks, ContinueFromAnyBatchAsIfUninterrupted) {
  const PipedShards shards({20, 5, 14, 9, 3});
  for (const LastBatch last_batch : {LastBatch::drop, LastBatch::wrap}) {
    LoaderOptions options = stream_options(/*batch_size=*/6, /*world_size=*/2);
    options.last_batch = last_batch;
    const auto source = shards.source();
    const Ranks straight = open_ranks(source, options);
    Indices positions;
    std::vector<std::vector<Batch>> expected;
    for (std::int64_t k = 2 * straight[0]->batches_per_epoch() + 2; k > 0; --k) {
      positions.push_back(straight[0]->position());
      expected.push_back(next_batches(straight));
    }
    options.threads = 3;
    for (const std::size_t from : {1u, 4u, 8u, 9u, 12u}) {
      const Ranks resumed = open_ranks(source, options, positions[from]);
      for (std::size_t k = from; k < expected.size(); ++k) {
        const std::vector<Batch> batches = next_batches(resumed);
        for (std::size_t rank = 0; rank < 2; ++rank)
          testing::expect_same_batch(batches[rank], expected[k][rank]);
      }
    }
  }
}

// As in a run that is resumed with other settings.
TEST(StreamRanks, KeepTheOrderWithAnotherBatchSize) {
  const PipedShards shards({20, 5, 14, 9, 3});
  const auto source = shards.source();
  std::map<std::int64_t, Indices> orders[2];
  for (const bool changes : {false, true}) {
    LoaderOptions options = stream_options(/*batch_size=*/2, /*world_size=*/2);
    std::int64_t position = 0;
    for (int k = 0; k < 10; ++k) {
      if (changes) options.batch_size = 1 + k % 3;
      const Ranks ranks = open_ranks(source, options, position);
      for (std::size_t rank = 0; rank < 2; ++rank) {
        const Batch batch = ranks[rank]->next();
        Indices& order = orders[changes ? 1 : 0][static_cast<std::int64_t>(rank)];
        order.insert(order.end(), batch.indices.begin(), batch.indices.end());
      }
      position = ranks[0]->position();
    }
  }
  for (const std::int64_t rank : {0, 1}) {
    Indices &fixed = orders[0][rank], &changing = orders[1][rank];
    const std::size_t count = std::min(fixed.size(), changing.size());
    ASSERT_GE(count, 8u);
    fixed.resize(count);
    changing.resize(count);
    EXPECT_EQ(fixed, changing);
  }
}

TEST(StreamRanks, ReadAShardOfWeightTwoTwice) {
  const PipedShards shards({6, 10});
  const auto source = shards.source({1, 2});
  Indices indices = indices_of_epoch(open_ranks(source, stream_options(/*batch_size=*/1, /*world_size=*/2)));
  ASSERT_EQ(indices.size(), 26u);
  std::map<std::int64_t, std::int64_t> counts;
  for (const std::int64_t index : indices) ++counts[index];
  for (std::int64_t index = 0; index < 16; ++index) EXPECT_EQ(counts[index], index < 6 ? 1 : 2);
}

TEST(StreamRanks, NeedAShardEach) {
  const PipedShards shards({6, 0, 10});
  const auto source = shards.source();
  testing::expect_user_error([&] { open_ranks(source, stream_options(/*batch_size=*/3, /*world_size=*/3)); },
                             {"2 shards for 3 ranks", "start at most 2"});
  LoaderOptions evaluation = stream_options(/*batch_size=*/3, /*world_size=*/3);
  evaluation.purpose = Purpose::evaluation;
  EXPECT_EQ(open_ranks(source, evaluation).size(), 3u) << "evaluation keeps one order";
}

}  // namespace
}  // namespace cloob

// Complete epochs over shards on disk, for random layouts, numbers of ranks and threads, batch sizes and
// resume points.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "cloob/base/files.h"
#include "cloob/base/memory.h"
#include "cloob/data/loader/loader.h"
#include "cloob/image/encode.h"
#include "support/number_source.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

struct Layout {
  std::vector<std::int64_t> shard_sizes;
  std::int64_t size() const {
    return std::accumulate(shard_sizes.begin(), shard_sizes.end(), std::int64_t{0});
  }
};

enum class Access { files, streams };

// The name of the shard as a stream, of varying kind.
std::string as_stream(const std::filesystem::path& shard, std::size_t number) {
  if (number % 3 == 0) return fmt::format("pipe:cat '{}'", shard.string());
  if (number % 3 == 1) return testing::write_gzip(shard.string() + ".gz", read_file(shard)).string();
  return shard.string();
}

// Image and caption of sample i are its index.
std::shared_ptr<const Source> write_shards(const std::filesystem::path& folder, const Layout& layout,
                                           Access access = Access::files) {
  std::int64_t index = 0;
  std::vector<std::string> names;
  for (std::size_t shard = 0; shard < layout.shard_sizes.size(); ++shard) {
    testing::Members members;
    for (std::int64_t i = 0; i < layout.shard_sizes[shard]; ++i, ++index) {
      std::string image(sizeof(index), '\0');
      std::memcpy(image.data(), &index, sizeof(index));
      members.emplace_back(fmt::format("{:06}.jpg", index), image);
      members.emplace_back(fmt::format("{:06}.txt", index), fmt::format("number {}", index));
    }
    const auto path = testing::write_tar(folder / fmt::format("{:03}.tar", shard), members);
    names.push_back(access == Access::streams ? as_stream(path, shard) : path.string());
  }
  DataConfig config;
  config.index_folder = (folder / "index").string();
  return make_source(config, names, Purpose::training);
}

struct Row {
  std::int64_t index;
  std::vector<float> pixels;
  std::vector<std::int64_t> tokens;
  bool operator==(const Row&) const = default;
};

template <class T>
std::vector<T> values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  return {flat.const_data_ptr<T>(), flat.const_data_ptr<T>() + flat.numel()};
}

// The next global batch, assembled from the slices of all ranks.
std::vector<Row> next_batch(std::vector<std::unique_ptr<Loader>>& ranks) {
  std::vector<Row> rows;
  for (const auto& rank : ranks) {
    const Batch batch = rank->next();
    for (std::int64_t r = 0; r < batch.size(); ++r) {
      const std::int64_t length = batch.end_positions_B[r].item<std::int64_t>() + 1;
      rows.push_back({batch.indices[static_cast<std::size_t>(r)], values_of<float>(batch.images_BCHW[r]),
                      values_of<std::int64_t>(batch.tokens_BL[r].narrow(0, 0, length))});
    }
  }
  return rows;
}

std::vector<std::unique_ptr<Loader>> make_ranks(const std::shared_ptr<const Source>& source,
                                                LoaderOptions options, std::int64_t world_size,
                                                std::int64_t position) {
  std::vector<std::unique_ptr<Loader>> ranks;
  options.world_size = world_size;
  for (options.rank = 0; options.rank < world_size; ++options.rank) {
    ranks.push_back(std::make_unique<Loader>(source, testing::number_preprocess(), options));
    ranks.back()->seek(position);
  }
  return ranks;
}

Layout draw_layout(RandomStream& random) {
  Layout layout;
  layout.shard_sizes.resize(1 + random.below(6));
  for (std::int64_t& size : layout.shard_sizes) size = static_cast<std::int64_t>(random.below(12));
  layout.shard_sizes.front() += 4;
  return layout;
}

Access draw_access(RandomStream& random) { return random.bernoulli(0.5) ? Access::streams : Access::files; }

LoaderOptions draw_options(const Layout& layout, Access access, RandomStream& random) {
  const auto draw = [&](std::uint64_t bound) { return static_cast<std::int64_t>(random.below(bound)); };
  LoaderOptions options = testing::training_options(1 + draw(static_cast<std::uint64_t>(layout.size())));
  options.seed = random.next();
  options.shuffle = std::array{Shuffle::windows, Shuffle::full, Shuffle::none}[random.below(3)];
  if (access == Access::streams && options.shuffle == Shuffle::full) options.shuffle = Shuffle::windows;
  options.shuffle_window = 1 + draw(4);
  options.stream_buffer = 1 + draw(20);
  options.last_batch = random.bernoulli(0.5) ? LastBatch::wrap : LastBatch::drop;
  return options;
}

void draw_resources(LoaderOptions& options, RandomStream& random) {
  options.threads = 1 + static_cast<std::int64_t>(random.below(4));
  options.prefetch_batches = 1 + static_cast<std::int64_t>(random.below(3));
}

// The order of files is the same for any number of ranks; that of streams is divided over them.
std::int64_t draw_ranks(Access access, RandomStream& random) {
  return access == Access::files ? 1 + static_cast<std::int64_t>(random.below(3)) : 1;
}

TEST(Epochs, AreTheSameForAnyReadersAndResumePoints) {
  RandomStream random(RandomUse::synthetic_data, {3});
  for (int trial = 0; trial < 60; ++trial) {
    SCOPED_TRACE(fmt::format("trial {}", trial));
    const testing::TempDir folder;
    const Layout layout = draw_layout(random);
    const Access access = draw_access(random);
    const auto source = write_shards(folder / "", layout, access);
    LoaderOptions options = draw_options(layout, access, random);
    options.threads = options.prefetch_batches = 1;
    auto reference = make_ranks(source, options, 1, 0);
    const std::int64_t num_batches = 2 * reference[0]->batches_per_epoch() + 1;
    std::vector<std::vector<Row>> expected;
    std::vector<std::int64_t> positions = {0};
    for (std::int64_t k = 0; k < num_batches; ++k) {
      expected.push_back(next_batch(reference));
      positions.push_back(reference[0]->position());
    }
    for (int reader = 0; reader < 3; ++reader) {
      draw_resources(options, random);
      const auto from = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(num_batches)));
      auto ranks =
          make_ranks(source, options, draw_ranks(access, random), positions[static_cast<std::size_t>(from)]);
      for (std::int64_t k = from; k < num_batches; ++k) {
        ASSERT_EQ(next_batch(ranks), expected[static_cast<std::size_t>(k)])
            << "batch " << k << " from " << from;
      }
    }
  }
}

TEST(Epochs, DeliverEverySampleOnceAndKeepTheOrderWithAnotherBatchSize) {
  RandomStream random(RandomUse::synthetic_data, {4});
  for (int trial = 0; trial < 40; ++trial) {
    SCOPED_TRACE(fmt::format("trial {}", trial));
    const testing::TempDir folder;
    const Layout layout = draw_layout(random);
    const Access access = draw_access(random);
    const auto source = write_shards(folder / "", layout, access);
    LoaderOptions options = draw_options(layout, access, random);
    draw_resources(options, random);
    options.last_batch = LastBatch::wrap;
    const std::int64_t size = layout.size();
    std::vector<std::int64_t> order;
    auto ranks = make_ranks(source, options, 1, 0);
    while (static_cast<std::int64_t>(order.size()) < size) {
      // A different batch size after every batch, as in a run that is resumed with other settings.
      for (const Row& row : next_batch(ranks)) order.push_back(row.index);
      const std::int64_t position = ranks[0]->position();
      options.batch_size = 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(size)));
      ranks = make_ranks(source, options, draw_ranks(access, random), position);
    }
    const std::vector<std::int64_t> wrapped(order.begin() + size, order.end());
    order.resize(static_cast<std::size_t>(size));
    EXPECT_TRUE(std::equal(wrapped.begin(), wrapped.end(), order.begin())) << "wraps to the first samples";

    options.batch_size = 1;
    auto one_by_one = make_ranks(source, options, 1, 0);
    for (const std::int64_t index : order) ASSERT_EQ(next_batch(one_by_one).at(0).index, index);
    std::ranges::sort(order);
    std::vector<std::int64_t> all(static_cast<std::size_t>(size));
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(order, all);
  }
}

#if !defined(__SANITIZE_ADDRESS__)  // which keeps freed memory for a while
TEST(Epochs, TakeNoMoreMemoryAfterManyRepetitions) {
  const testing::TempDir folder;
  testing::Members members;
  RandomStream random(RandomUse::synthetic_data, {5});
  for (int i = 0; i < 240; ++i) {
    ImageU8 image = make_image(
        {64 + static_cast<int>(random.below(200)), 64 + static_cast<int>(random.below(200))}, PixelMode::rgb);
    for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(random.below(256));
    members.emplace_back(fmt::format("{:03}.jpg", i), encode_jpeg(image, 80));
    members.emplace_back(fmt::format("{:03}.txt", i), std::string(1 + random.below(300), 'a'));
  }
  const auto source =
      make_source({}, {testing::write_tar(folder / "0.tar", members).string()}, Purpose::training);
  Preprocess preprocess = testing::number_preprocess();
  preprocess.image_size = 48;
  preprocess.image = make_image_preprocess(ImageConfig(), Purpose::training, 48, 1'000'000).image;
  preprocess.context_length = 400;
  Loader loader(source, preprocess, testing::training_options(16));
  const auto rss_after_epochs = [&](int epochs) {
    for (std::int64_t k = epochs * loader.batches_per_epoch(); k > 0; --k) loader.next();
    return static_cast<double>(current_rss_bytes());
  };
  const double after_3 = rss_after_epochs(3);
  EXPECT_LE(rss_after_epochs(17), 1.02 * after_3);
}
#endif

}  // namespace
}  // namespace cloob

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/data/loader/loader.h"
#include "cloob/data/source.h"
#include "cloob/data/tar/index_shards.h"
#include "data/stream/stream_tar_input.h"
#include "data/tar/shard_walk.h"
#include "support/http_server.h"
#include "support/number_source.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::HttpServer;
using testing::TempDir;

// A shard of samples "PREFIX000", "PREFIX001", ... whose images are numbers.
std::filesystem::path write_shard(const std::filesystem::path& path, const std::string& prefix,
                                  std::int64_t size) {
  testing::Members members;
  for (std::int64_t i = 0; i < size; ++i) {
    std::string image(sizeof(i), '\0');
    std::memcpy(image.data(), &i, sizeof(i));
    members.emplace_back(fmt::format("{}{:03}.jpg", prefix, i), image);
    members.emplace_back(fmt::format("{}{:03}.txt", prefix, i), fmt::format("caption {} of {}", i, prefix));
  }
  return testing::write_tar(path, members);
}

DataConfig config_of(const TempDir& folder) {
  DataConfig config;
  config.index_folder = (folder / "index").string();
  config.stream = {.buffer_samples = 8, .timeout_seconds = 0.5, .retries = 1, .retry_seconds = 0.01};
  config.threads = 2;
  return config;
}

std::string pipe_of(const std::filesystem::path& path) { return fmt::format("pipe:cat '{}'", path.string()); }

std::vector<std::string> keys_of_epoch(const std::shared_ptr<const Source>& source, LoaderOptions options) {
  Loader loader(source, testing::number_preprocess(), options);
  std::vector<std::string> keys;
  for (std::int64_t k = loader.batches_per_epoch(); k > 0; --k) {
    const Batch batch = loader.next();
    keys.insert(keys.end(), batch.keys.begin(), batch.keys.end());
  }
  return keys;
}

LoaderOptions stream_options() {
  LoaderOptions options = testing::training_options(4);
  options.shuffle = Shuffle::windows;
  options.stream_buffer = 8;
  return options;
}

TEST(StreamSource, HasTheSamplesOfItsShards) {
  const TempDir folder;
  const auto a = write_shard(folder / "a.tar", "a", 7), b = write_shard(folder / "b.tar", "b", 5);
  const auto source = make_source(config_of(folder), {pipe_of(a), b.string()}, Purpose::training);
  EXPECT_TRUE(source->is_stream());
  ASSERT_EQ(source->size(), 12);
  EXPECT_EQ(source->read(3).key, "a003");
  EXPECT_EQ(source->read(8).key, "b001");
  EXPECT_EQ(source->read(1).key, "a001");
  EXPECT_EQ(source->read_captions(11), std::vector<std::string>{"caption 4 of b"});
  EXPECT_EQ(source->describe(8), b.string() + ", sample 1");
}

TEST(StreamSource, ShufflesOnlyWithinItsBuffer) {
  const TempDir folder;
  const auto a = write_shard(folder / "a.tar", "a", 40);
  const auto source = make_source(config_of(folder), {pipe_of(a)}, Purpose::training);
  const auto keys = keys_of_epoch(source, stream_options());
  ASSERT_EQ(keys.size(), 40u);
  EXPECT_FALSE(std::ranges::is_sorted(keys));
  for (std::size_t begin = 0; begin < 40; begin += 8) {
    const std::set<std::string> window(keys.begin() + static_cast<std::ptrdiff_t>(begin),
                                       keys.begin() + static_cast<std::ptrdiff_t>(begin + 8));
    EXPECT_EQ(*window.begin(), fmt::format("a{:03}", begin));
    EXPECT_EQ(*window.rbegin(), fmt::format("a{:03}", begin + 7));
  }
}

TEST(StreamSource, ReadsAShardOfWeightTwoTwice) {
  const TempDir folder;
  DataConfig config = config_of(folder);
  config.train_weights = {1, 2};
  const auto names =
      pipe_of(write_shard(folder / "a.tar", "a", 6)) + "::" + pipe_of(write_shard(folder / "b.tar", "b", 5));
  const auto keys = keys_of_epoch(make_source(config, {names}, Purpose::training), stream_options());
  ASSERT_EQ(keys.size(), 16u);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(std::ranges::count(keys, fmt::format("a00{}", i)), 1);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(std::ranges::count(keys, fmt::format("b00{}", i)), 2);
  config.train_weights = {1, 1.5};
  testing::expect_user_error([&] { make_source(config, {names}, Purpose::training); },
                             {"weights must be integers"});
}

TEST(StreamSource, IsCountedOnceAndTheCountIsCached) {
  const TempDir folder;
  const auto a = write_shard(folder / "a.tar", "a", 7);
  const std::string name =
      fmt::format("pipe:echo . >> '{}'; cat '{}'", (folder / "runs").string(), a.string());
  EXPECT_EQ(make_source(config_of(folder), {name}, Purpose::training)->size(), 7);
  EXPECT_EQ(make_source(config_of(folder), {name}, Purpose::training)->size(), 7);
  EXPECT_EQ(read_file(folder / "runs"), ".\n");
  // A changed file is counted again.
  const std::string compressed = testing::write_gzip(folder / "b.tar.gz", read_file(a)).string();
  EXPECT_EQ(make_source(config_of(folder), {compressed}, Purpose::training)->size(), 7);
  testing::write_gzip(compressed, read_file(write_shard(folder / "b.tar", "b", 9)));
  EXPECT_EQ(make_source(config_of(folder), {compressed}, Purpose::training)->size(), 9);
}

TEST(StreamSource, UsesCountsStoredBesideTheShards) {
  const TempDir folder;
  HttpServer server;
  server.put("cc/00000.tar", read_file(write_shard(folder / "a.tar", "a", 7)));
  server.put("cc/00000_stats.json", R"({"count": 9, "successes": 7, "failed_to_download": 2})");
  server.put("yfcc/0.tar", read_file(write_shard(folder / "b.tar", "b", 5)));
  server.put("yfcc/sizes.json", R"({"0.tar": 5})");
  const auto source =
      make_source(config_of(folder), {server.address("cc/00000.tar"), server.address("yfcc/0.tar?token=1")},
                  Purpose::training);
  EXPECT_EQ(source->size(), 12);
  EXPECT_TRUE(server.requests("cc/00000.tar").empty());
  EXPECT_TRUE(server.requests("yfcc/0.tar").empty());
}

TEST(StreamSource, IndexingCachesCounts) {
  const TempDir folder;
  const auto a = write_shard(folder / "a.tar", "a", 7);
  const auto files = index_shards({a.string(), pipe_of(a)}, folder / "index", 1, {});
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[1], folder / "index/streams.json");
  std::filesystem::remove(a);
  EXPECT_EQ(make_source(config_of(folder), {pipe_of(a)}, Purpose::training)->size(), 7);
}

TEST(StreamSource, ReportsUnreadableSamplesByName) {
  const TempDir folder;
  HttpServer server;
  server.put("a.tar", read_file(write_shard(folder / "a.tar", "a", 20)));
  const std::string address = server.address("a.tar");
  const auto source = make_source(config_of(folder), {address}, Purpose::training);
  LoaderOptions options = stream_options();
  options.shuffle = Shuffle::none;
  // Ten samples of two members with a header each and the header of the next one, then a permanent failure.
  server.fail("a.tar", {{.break_off_after = 20 * 1024 + 512}, {.status = 500}, {.status = 500}});
  Loader loader(source, testing::number_preprocess(), options);
  std::vector<std::string> keys;
  for (int k = 0; k < 5; ++k) {
    const Batch batch = loader.next();
    keys.insert(keys.end(), batch.keys.begin(), batch.keys.end());
  }
  ASSERT_EQ(keys.size(), 10u);
  EXPECT_EQ(keys.back(), "a009");
  EXPECT_EQ(loader.bad_samples().count(BadKind::unreadable), 10);
  EXPECT_THAT(loader.bad_samples().examples(BadKind::unreadable)[0],
              ::testing::AllOf(::testing::HasSubstr(address), ::testing::HasSubstr("sample 10"),
                               ::testing::HasSubstr("the server answered 500, 2 times in a row")));
  // In the next epoch the server works again.
  for (int k = 0; k < 5; ++k) EXPECT_EQ(loader.next().size(), 4);
}

TEST(StreamSource, DetectsAWrongCount) {
  const TempDir folder;
  const auto path = write_shard(folder / "a.tar", "a", 12);
  const std::string name = pipe_of(path);
  const auto source = make_source(config_of(folder), {name}, Purpose::training);
  LoaderOptions options = stream_options();
  write_shard(path, "a", 9);
  Loader fewer(source, testing::number_preprocess(), options);
  for (int k = 0; k < 3; ++k) fewer.next();
  EXPECT_EQ(fewer.bad_samples().count(BadKind::broken_shard), 3);
  write_shard(path, "a", 15);
  set_log_level(LogLevel::warning);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(keys_of_epoch(source, options).size(), 12u);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::HasSubstr("has more than the expected 12 samples"));
}

TEST(StreamSource, DamageAffectsOnlyTheSampleItHits) {
  const TempDir folder;
  std::string content = read_file(write_shard(folder / "a.tar", "a", 10));
  content.replace(4 * 2048, 8, "damaged!");  // the first header of sample 4
  const std::string compressed = testing::write_gzip(folder / "a.tar.gz", content).string();
  const auto source = make_source(config_of(folder), {compressed}, Purpose::training);
  LoaderOptions options = stream_options();
  options.batch_size = source->size();
  Loader loader(source, testing::number_preprocess(), options);
  EXPECT_EQ(loader.next().size(), 9);
  EXPECT_EQ(loader.bad_samples().count(BadKind::broken_shard), 1);
  EXPECT_EQ(loader.bad_samples().total(), source->size() - 9);
}

TEST(StreamSource, TruncatedCompressedDataIsUsedUpToTheEnd) {
  const TempDir folder;
  const std::string content = read_file(write_shard(folder / "a.tar", "a", 50));
  const std::string compressed = testing::write_gzip(folder / "a.tar.gz", content).string();
  std::filesystem::resize_file(compressed, std::filesystem::file_size(compressed) / 2);
  ::testing::internal::CaptureStderr();
  const auto source = make_source(config_of(folder), {compressed}, Purpose::training);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("may be truncated"));
  ASSERT_GT(source->size(), 10);
  ASSERT_LT(source->size(), 50);
  LoaderOptions options = stream_options();
  options.batch_size = source->size();
  options.max_bad_share = 1;
  Loader loader(source, testing::number_preprocess(), options);
  loader.next();
  EXPECT_EQ(loader.bad_samples().count(BadKind::unreadable), 1) << "the sample that is truncated";
}

TEST(StreamSource, IsEvaluatedInOrder) {
  const TempDir folder;
  const auto a = write_shard(folder / "a.tar", "a", 600);
  const auto source = make_source(config_of(folder), {pipe_of(a)}, Purpose::evaluation);
  LoaderOptions options;
  options.purpose = Purpose::evaluation;
  options.batch_size = 64;
  Loader loader(source, testing::number_preprocess(), options);
  std::int64_t expected = 0;
  while (!loader.finished()) {
    for (const std::int64_t index : loader.next().indices) EXPECT_EQ(index, expected++);
  }
  EXPECT_EQ(expected, 600);
}

TEST(StreamSource, LoaderCanBeDestroyedWhileAStreamHangs) {
  const TempDir folder;
  HttpServer server;
  DataConfig config = config_of(folder);
  config.stream.timeout_seconds = 1000;
  server.put("a.tar", read_file(write_shard(folder / "a.tar", "a", 20)));
  const auto source = make_source(config, {server.address("a.tar")}, Purpose::training);
  server.fail("a.tar", {{.stall_after = 9000}});
  LoaderOptions options = stream_options();
  options.shuffle = Shuffle::none;
  Loader loader(source, testing::number_preprocess(), options);
  EXPECT_EQ(loader.next().size(), 4);
}

TEST(StreamSource, RejectsWhatAStreamCannotDo) {
  const TempDir folder;
  const auto a = write_shard(folder / "a.tar", "a", 8);
  const auto source = make_source(config_of(folder), {pipe_of(a)}, Purpose::training);
  LoaderOptions options = stream_options();
  options.shuffle = Shuffle::full;
  testing::expect_user_error([&] { Loader(source, testing::number_preprocess(), options); },
                             {"streams can only be read from front"});
  options.shuffle = Shuffle::windows;
  options.with_replacement = true;
  testing::expect_user_error([&] { Loader(source, testing::number_preprocess(), options); },
                             {"with_replacement"});
  const auto table = testing::write_text(folder / "t.csv", "filepath,title\na.jpg,a dog\n").string();
  testing::expect_user_error([&] { make_source(config_of(folder), {pipe_of(a), table}, Purpose::training); },
                             {"is a table: it cannot be combined with streams"});
  testing::expect_user_error(
      [&] {
        make_source(config_of(folder), {"pipe:echo this is no tar file; printf '%600s' x"},
                    Purpose::training);
      },
      {"is not a tar file"});
  testing::expect_user_error(
      [&] { make_source(config_of(folder), {"http://127.0.0.1:9/x.tar"}, Purpose::training); },
      {"cannot be read"});
}

// Text, and then garbage for ever.
class EndlessStream final : public ByteStream {
 public:
  explicit EndlessStream(std::string text) : text_(std::move(text)) {}
  std::size_t read(std::span<std::byte> into) override {
    const std::size_t count = std::min(into.size(), text_.size());
    std::ranges::copy(std::as_bytes(std::span(text_).first(count)), into.begin());
    text_.erase(0, count);
    std::ranges::fill(into.subspan(count), std::byte{'x'});
    delivered_ += into.size();
    return into.size();
  }
  std::uint64_t delivered() const { return delivered_; }

 private:
  std::string text_;
  std::uint64_t delivered_ = 0;
};

TEST(ShardWalk, GivesUpOnEndlessGarbage) {
  const TempDir folder;
  constexpr std::size_t kBytesOfTwo = 2 * 2 * 1024;
  EndlessStream stream(read_file(write_shard(folder / "a.tar", "a", 2)).substr(0, kBytesOfTwo));
  StreamTarInput input(stream);
  TarScanner scanner(input);
  ShardWalk walk(scanner);
  EXPECT_EQ(walk.next()->key, "a000");
  EXPECT_EQ(walk.next()->key, "a001");
  EXPECT_THAT(walk.next()->damage.value(),
              ::testing::HasSubstr("nor in the 1.0 GiB after it: the rest is not read"));
  EXPECT_FALSE(walk.next());
  EXPECT_TRUE(walk.is_over());
  EXPECT_LT(stream.delivered(), TarScanner::kMaxDamage + (4 << 20));
}

TEST(StreamSource, ReadsArchivesThatWereJoined) {
  const TempDir folder;
  const std::string first = read_file(write_shard(folder / "a.tar", "a", 3)),
                    second = read_file(write_shard(folder / "b.tar", "b", 2));
  const auto joined = testing::write_text(folder / "joined.tar", first + std::string(9 * 512, '\0') + second);
  const auto source = make_source(config_of(folder), {pipe_of(joined)}, Purpose::evaluation);
  ASSERT_EQ(source->size(), 5);
  EXPECT_EQ(source->read(4).key, "b001");
}

TEST(StreamSource, IgnoresImpossibleCounts) {
  const TempDir folder;
  const auto shard = write_shard(folder / "0.tar", "a", 3);
  testing::write_gzip(folder / "a.tar.gz", read_file(shard));
  for (const char* count :
       {"9223372036854775807", "18446744073709551615", "4294967297", "-1", "1e300", "\"3\""}) {
    testing::write_text(folder / "a_stats.json", fmt::format("{{\"successes\": {}}}", count));
    std::filesystem::remove_all(folder / "index");
    const auto source = make_source(config_of(folder), {(folder / "a.tar.gz").string()}, Purpose::training);
    EXPECT_EQ(source->size(), 3) << count;
  }
}

}  // namespace
}  // namespace cloob

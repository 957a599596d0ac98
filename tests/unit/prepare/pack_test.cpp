#include "cloob/prepare/pack.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/random.h"
#include "cloob/data/source.h"
#include "cloob/data/tar/index_file.h"
#include "cloob/image/decode.h"
#include "cloob/image/encode.h"
#include "prepare/in_order.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using testing::as_string;
using testing::expect_user_error;
using testing::TempDir;
using testing::write_tar;
using testing::write_text;
using Captions = std::vector<std::string>;

const bool quiet = (set_log_level(LogLevel::error), true);

ImageU8 noise(int width, int height, std::uint64_t seed) {
  ImageU8 image = make_image({height, width}, PixelMode::rgb);
  RandomStream random(RandomUse::synthetic_data, {seed});
  for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(random.below(256));
  return image;
}

// `count` images of 32 x 24 pixels and a table of them; the captions have characters that need quoting.
std::string write_table(const TempDir& folder, int count) {
  std::string table = "filepath,title\n";
  for (int i = 0; i < count; ++i) {
    const std::string name = fmt::format("photos/{}.jpg", i);
    write_text(folder / name, encode_jpeg(noise(32, 24, static_cast<std::uint64_t>(i)), 90));
    table += fmt::format("{},\"number {},\nso it \"\"says\"\"\"\n", name, i);
  }
  return write_text(folder / "pairs.csv", table).string();
}

std::string caption_of(int i) { return fmt::format("number {},\nso it \"says\"", i); }

DataConfig config_with_threads(std::int64_t threads, double max_bad_share = 0) {
  DataConfig config;
  config.threads = threads;
  config.max_bad_share = max_bad_share;
  return config;
}

std::shared_ptr<const Source> open_packed(const fs::path& folder, bool all_captions = false) {
  DataConfig config;
  if (all_captions) config.webdataset.json_caption_field = "captions";
  return make_source(config, {(folder / "*.tar").string()}, Purpose::training);
}

nlohmann::json read_json(const fs::path& path) { return nlohmann::json::parse(read_file(path)); }

// All files except the index, which contains the times of the shards.
std::map<std::string, std::string> contents_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().extension() == ".index") continue;
    files[entry.path().lexically_relative(folder).string()] = read_file(entry.path());
  }
  return files;
}

TEST(ProduceInOrder, ConsumesResultsInOrderAndStopsOnRequest) {
  for (const std::int64_t threads : {1, 2, 5}) {
    std::vector<std::int64_t> consumed;
    produce_in_order(
        100, threads, [](std::int64_t number) { return number * number; },
        [&](std::int64_t number, std::int64_t square) {
          EXPECT_EQ(square, number * number);
          consumed.push_back(number);
          return number < 70;
        });
    ASSERT_EQ(consumed.size(), 71U);
    EXPECT_TRUE(std::ranges::is_sorted(consumed));
    produce_in_order(
        0, threads, [](std::int64_t n) { return n; }, [](std::int64_t, std::int64_t) { return true; });
  }
}

TEST(ProduceInOrder, RethrowsExceptionsInOrder) {
  std::int64_t num_consumed = 0;
  const auto run = [&] {
    produce_in_order(
        50, 4,
        [](std::int64_t number) {
          if (number >= 20) throw UserError(fmt::format("number {}", number));
          return number;
        },
        [&](std::int64_t, std::int64_t) {
          ++num_consumed;
          return true;
        });
  };
  expect_user_error(run, {"number 20"});
  EXPECT_EQ(num_consumed, 20);
}

TEST(PackData, WritesBalancedShardsThatTrainingCanRead) {
  const TempDir folder;
  const std::string table = write_table(folder, 23);
  const PackResult result =
      pack_data(config_with_threads(2), {table}, folder / "out", {.samples_per_shard = 10}, {});
  EXPECT_EQ(result.num_samples, 23);
  EXPECT_EQ(result.num_shards, 3);
  EXPECT_EQ(result.bad.total(), 0);
  EXPECT_EQ(read_json(folder / "out/sizes.json"),
            nlohmann::json({{"00000.tar", 8}, {"00001.tar", 8}, {"00002.tar", 7}}));
  const auto stats = read_json(folder / "out/00002_stats.json");
  EXPECT_EQ(stats.at("count"), 7);
  EXPECT_EQ(stats.at("successes"), 7);
  EXPECT_EQ(stats.at("failed_to_download"), 0);
  EXPECT_EQ(stats.at("failed_to_resize"), 0);
  EXPECT_EQ(read_index_file(folder / "out/cloob.index").size(), 3U);
  const auto source = open_packed(folder / "out");
  ASSERT_EQ(source->size(), 23);
  for (int i = 0; i < 23; ++i) {
    const RawSample sample = source->read(i);
    EXPECT_EQ(sample.key, fmt::format("{:09}", i));
    EXPECT_EQ(sample.captions, Captions{caption_of(i)});
    EXPECT_EQ(as_string(sample.image_bytes), read_file(folder / fmt::format("photos/{}.jpg", i)))
        << "copied unchanged";
  }
}

TEST(PackData, KeepsAllCaptionsAndTheSourceKey) {
  const TempDir folder;
  write_text(folder / "a.jpg", encode_jpeg(noise(8, 8, 1), 90));
  write_text(folder / "b.jpg", encode_jpeg(noise(8, 8, 2), 90));
  const auto table = write_text(folder / "t.tsv",
                                "filepath\ttitle\na.jpg\tone\nb.jpg\t\xff not UTF-8\na.jpg\ttwo \xc3\xa9\n");
  pack_data(config_with_threads(1), {table.string()}, folder / "out", {}, {});
  const auto source = open_packed(folder / "out", /*all_captions=*/true);
  ASSERT_EQ(source->size(), 2);
  EXPECT_EQ(source->read(0).captions, (Captions{"one", "two \xc3\xa9"}));
  EXPECT_EQ(source->read(1).captions, Captions{"\xef\xbf\xbd not UTF-8"});
  EXPECT_EQ(open_packed(folder / "out")->read(1).captions, Captions{"\xff not UTF-8"})
      << "the text member is unchanged";
  const std::string shard = read_file(folder / "out/00000.tar");
  EXPECT_THAT(shard, ::testing::HasSubstr(R"({"key":"000000001","source_key":"b.jpg","captions":[)"));
}

TEST(PackData, GivesTheSameBytesForAnyNumberOfThreads) {
  const TempDir folder;
  const std::string table = write_table(folder, 41);
  const PackOptions options = {.samples_per_shard = 6, .resize = 16, .shuffle_seed = 3};
  for (const std::int64_t threads : {1, 3}) {
    pack_data(config_with_threads(threads), {table}, folder / fmt::format("out{}", threads), options, {});
  }
  const auto one = contents_of(folder / "out1");
  EXPECT_EQ(one.size(), 2 * 7 + 2U);
  EXPECT_EQ(one, contents_of(folder / "out3"));
}

TEST(PackData, ShufflesBySeedWithoutLosingSamples) {
  const TempDir folder;
  const std::string table = write_table(folder, 30);
  std::vector<Captions> orders;
  for (const std::uint64_t seed : {1, 2}) {
    const fs::path out = folder / fmt::format("out{}", seed);
    pack_data(config_with_threads(2), {table}, out, {.samples_per_shard = 7, .shuffle_seed = seed}, {});
    const auto source = open_packed(out);
    Captions& captions = orders.emplace_back();
    for (std::int64_t i = 0; i < source->size(); ++i) captions.push_back(source->read(i).captions.at(0));
  }
  Captions in_order;
  for (int i = 0; i < 30; ++i) in_order.push_back(caption_of(i));
  EXPECT_NE(orders[0], in_order);
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_THAT(orders[0], ::testing::UnorderedElementsAreArray(in_order));
}

TEST(PackData, ReducesOnlyLargeImages) {
  const TempDir folder;
  const std::vector<std::pair<std::string, std::string>> images = {
      {"a.jpg", encode_jpeg(noise(90, 60, 1), 90)},
      {"b.png", encode_png(noise(30, 80, 2))},
      {"c.png", encode_png(noise(20, 70, 3))},
      {"d.jpg", encode_jpeg(noise(15, 20, 4), 90)}};
  for (const auto& [name, content] : images) {
    write_text(folder / "in" / name, content);
    write_text((folder / "in" / name).replace_extension("txt"), "of " + name);
  }
  pack_data(config_with_threads(2), {(folder / "in").string()}, folder / "out",
            {.resize = 20, .quality = 100}, {});
  const auto source = open_packed(folder / "out");
  const std::vector<ImageSize> sizes = {{20, 30}, {53, 20}, {70, 20}, {20, 15}};
  ASSERT_EQ(source->size(), 4);
  for (int i = 0; i < 4; ++i) {
    const auto bytes = source->read(i).image_bytes;
    const auto expected = sizes[static_cast<std::size_t>(i)];
    EXPECT_EQ(image_size_of(bytes), expected) << i;
    EXPECT_EQ(image_format_of(bytes), i == 2 ? "PNG" : "JPEG");
    const bool is_copy = as_string(bytes) == images[static_cast<std::size_t>(i)].second;
    EXPECT_EQ(is_copy, i >= 2);
  }
}

TEST(PackData, SkipsAndCountsBrokenSamples) {
  const TempDir folder;
  const std::string table = write_table(folder, 20);
  const std::string intact = read_file(folder / "photos/3.jpg");
  write_text(folder / "photos/3.jpg", intact.substr(0, intact.size() / 2));
  fs::remove(folder / "photos/12.jpg");
  write_text(folder / "photos/13.jpg", "");
  const PackOptions options = {.samples_per_shard = 10};
  const PackResult result = pack_data(config_with_threads(2, 0.2), {table}, folder / "out", options, {});
  EXPECT_EQ(result.num_samples, 17);
  EXPECT_EQ(result.bad.count(BadKind::damaged_image), 1);
  EXPECT_EQ(result.bad.count(BadKind::missing_file), 1);
  EXPECT_EQ(result.bad.count(BadKind::not_an_image), 1);
  EXPECT_THAT(result.bad.examples(BadKind::missing_file).at(0), ::testing::HasSubstr("photos/12.jpg"));
  EXPECT_EQ(read_json(folder / "out/sizes.json"), nlohmann::json({{"00000.tar", 9}, {"00001.tar", 8}}));
  const auto stats = read_json(folder / "out/00001_stats.json");
  EXPECT_EQ(stats.at("count"), 10);
  EXPECT_EQ(stats.at("successes"), 8);
  EXPECT_EQ(stats.at("failed_to_resize"), 2);
  const auto source = open_packed(folder / "out");
  EXPECT_EQ(source->key(3), "000000004") << "the others keep their names";
  expect_user_error([&] { pack_data(config_with_threads(1, 0.1), {table}, folder / "strict", options, {}); },
                    {"3 of 20 samples are unusable", "data.max_bad_share (0.1)", "photos/12.jpg"});
  // A resumed run keeps the earlier counts.
  expect_user_error(
      [&] {
        pack_data(config_with_threads(1, 0.1), {table}, folder / "out",
                  {.samples_per_shard = 10, .resume = true}, {});
      },
      {"3 of 20 samples are unusable"});
}

TEST(PackData, SkipsImagesThatAreTooLarge) {
  const TempDir folder;
  const std::string table = write_table(folder, 3);
  write_text(folder / "photos/1.jpg", encode_jpeg(noise(40, 30, 1), 90));
  DataConfig config = config_with_threads(1, 0.5);
  config.max_image_pixels = 1000;
  for (const PackOptions& options : {PackOptions{}, PackOptions{.resize = 8}}) {
    const fs::path out = folder / fmt::format("out{}", options.resize.value_or(0));
    const PackResult result = pack_data(config, {table}, out, options, {});
    EXPECT_EQ(result.num_samples, 2);
    EXPECT_EQ(result.bad.count(BadKind::too_large), 1);
  }
}

TEST(PackData, RestartsIfNoShardWasFinished) {
  const TempDir folder;
  const std::string table = write_table(folder, 3);
  fs::remove(folder / "photos/1.jpg");
  expect_user_error([&] { pack_data(config_with_threads(1), {table}, folder / "out", {}, {}); },
                    {"photos/1.jpg"});
  EXPECT_EQ(pack_data(config_with_threads(1, 0.5), {table}, folder / "out", {.resize = 9}, {}).num_samples,
            2);
}

TEST(PackData, ResumesWhereItWasStopped) {
  const TempDir folder;
  const std::string table = write_table(folder, 25);
  fs::remove(folder / "photos/1.jpg");
  const DataConfig config = config_with_threads(2, 0.1);
  PackOptions options = {.samples_per_shard = 5, .shuffle_seed = 1};
  pack_data(config, {table}, folder / "straight", options, {});
  std::int64_t num_done = 0;
  const PackHooks stop_early = {.progress = [&](std::int64_t done, std::int64_t) { num_done = done; },
                                .stop_requested = [&] { return num_done == 13; }};
  EXPECT_TRUE(pack_data(config, {table}, folder / "out", options, stop_early).stopped);
  EXPECT_TRUE(fs::exists(folder / "out/00001.tar"));
  EXPECT_FALSE(fs::exists(folder / "out/00002.tar")) << "only complete shards";
  EXPECT_FALSE(fs::exists(folder / "out/sizes.json"));
  expect_user_error([&] { pack_data(config, {table}, folder / "out", options, {}); },
                    {"not empty", "--resume"});
  // As if the process had been killed between two files and while writing one.
  fs::remove(folder / "out/00001_stats.json");
  write_text(folder / "out/00002.tar.tmp123", "half");
  options.resume = true;
  const PackResult result = pack_data(config, {table}, folder / "out", options, {});
  EXPECT_EQ(result.num_kept_shards, 1);
  EXPECT_EQ(result.num_samples, 24);
  EXPECT_EQ(result.bad.total(), 1);
  EXPECT_EQ(contents_of(folder / "out"), contents_of(folder / "straight"));
  EXPECT_EQ(pack_data(config, {table}, folder / "out", options, {}).num_kept_shards, 5)
      << "repeating it changes nothing";
}

TEST(PackData, ResumesOnlyWithTheSamePlan) {
  const TempDir folder;
  const std::string table = write_table(folder, 10);
  const DataConfig config = config_with_threads(1);
  pack_data(config, {table}, folder / "out", {.samples_per_shard = 5, .resize = 16}, {});
  const auto resume = [&](PackOptions options) {
    options.resume = true;
    return [&, options] { pack_data(config, {table}, folder / "out", options, {}); };
  };
  expect_user_error(resume({.samples_per_shard = 5, .resize = 20}),
                    {"a different plan", "resize was 16 and is 20 now"});
  expect_user_error(resume({.samples_per_shard = 4, .resize = 16}), {"shards was 2 and is 3 now"});
  expect_user_error(resume({.samples_per_shard = 5, .resize = 16, .shuffle_seed = 1}),
                    {"shuffle was null and is 1 now"});
  write_text(table, read_file(table) + "photos/0.jpg,again\n");
  expect_user_error(resume({.samples_per_shard = 5, .resize = 16}), {"the source has changed"});
  write_text(folder / "other/file.txt", "mine");
  expect_user_error([&] { pack_data(config, {table}, folder / "other", {.resume = true}, {}); },
                    {"not empty"});
  EXPECT_EQ(read_file(folder / "other/file.txt"), "mine");
}

TEST(PackData, RepacksShards) {
  const TempDir folder;
  testing::Members members;
  for (const std::string key : {"a", "b", "c"}) {
    members.emplace_back("sub.d/" + key + ".jpg", encode_jpeg(noise(8, 8, 1), 90));
    members.emplace_back("sub.d/" + key + ".txt", "of " + key);
  }
  const auto shard = write_tar(folder / "in.tar", members);
  pack_data(config_with_threads(1), {shard.string()}, folder / "out", {.samples_per_shard = 1}, {});
  const auto source = open_packed(folder / "out");
  ASSERT_EQ(source->size(), 3);
  EXPECT_EQ(source->read(2).captions, Captions{"of c"});
  EXPECT_THAT(read_file(folder / "out/00002.tar"), ::testing::HasSubstr(R"("source_key":"sub.d/c")"));
}

TEST(PackData, PacksFoldersOfImagesWithCaptionsBesideThem) {
  const TempDir folder;
  const std::string jpeg = encode_jpeg(noise(8, 8, 1), 90);
  const fs::path in = folder / "in";
  for (const std::string name :
       {"x.jpg", "sub/deep.er/y.JPG", "z.jpeg", "none.jpg", ".hidden.jpg", ".git/h.jpg"}) {
    write_text(in / name, jpeg);
  }
  write_text(in / "x.txt", "of x");
  write_text(in / "x.json", R"({"caption": "of x in JSON"})");
  write_text(in / "sub/deep.er/y.json", R"({"captions": ["first", "second"], "caption": "no"})");
  write_text(in / "z.json", R"({"captions": {"of z": 1, "more of z": 2.5}})");
  const PackResult result = pack_data(config_with_threads(1, 0.5), {in.string()}, folder / "out", {}, {});
  EXPECT_EQ(result.bad.count(BadKind::no_caption), 1);
  EXPECT_EQ(result.max_captions, 2);
  EXPECT_THAT(result.bad.first_examples(),
              ::testing::HasSubstr("none.jpg: there is no .txt and no .json beside it"));
  const auto source = open_packed(folder / "out", /*all_captions=*/true);
  ASSERT_EQ(source->size(), 3);
  EXPECT_EQ(source->read(0).captions, (Captions{"first", "second"}));
  EXPECT_EQ(source->read(1).captions, Captions{"of x"});
  EXPECT_EQ(source->read(2).captions, (Captions{"more of z", "of z"}));
  EXPECT_EQ(source->read(2).caption_weights, (std::vector<double>{2.5, 1}));
  EXPECT_THAT(read_file(folder / "out/00000.tar"),
              ::testing::HasSubstr(R"("source_key":"sub/deep.er/y.JPG")"));
  DataConfig json = config_with_threads(1, 0.7);
  json.webdataset.json_caption_field = "caption";
  pack_data(json, {in.string()}, folder / "json", {}, {});
  EXPECT_EQ(open_packed(folder / "json")->read(1).captions, Captions{"of x in JSON"});
}

TEST(PackData, ReportsErrorsInFolders) {
  const TempDir folder;
  fs::create_directories(folder / "empty");
  const auto pack = [&](const std::string& name) {
    return
        [&, name] { pack_data(config_with_threads(1), {(folder / name).string()}, folder / "out", {}, {}); };
  };
  expect_user_error(pack("empty"), {"has no .jpg", "x.jpg and x.txt"});
  write_text(folder / "tars/0.tar", "");
  expect_user_error(pack("tars"), {"name its shards", "*.tar"});
  write_text(folder / "tables/a.tsv", "");
  expect_user_error(pack("tables"), {"name the table in it", "a.tsv"});
  expect_user_error(pack("nowhere"), {"nowhere", "does not exist"});
  EXPECT_FALSE(fs::exists(folder / "out"));
  expect_user_error(
      [&] {
        pack_data(config_with_threads(1), {(folder / "tables").string(), (folder / "tables/a.tsv").string()},
                  folder / "out", {}, {});
      },
      {"is a folder and", "is not"});
  write_text(folder / "bad/x.jpg", "not an image");
  write_text(folder / "bad/x.txt", "x");
  expect_user_error(
      [&] { pack_data(config_with_threads(1, 1), {(folder / "bad").string()}, folder / "all_bad", {}, {}); },
      {"none of the 1 samples is usable", "x.jpg"});
}

}  // namespace
}  // namespace cloob

#include "data/index_file.h"

#include <fmt/core.h>

#include <filesystem>
#include <fstream>

#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "data/shard_index.h"
#include "support/support.h"
#include "test_files.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::TempDir;
using testing::write_tar;
using testing::write_text;

testing::Members members_of(int samples, std::size_t image_bytes = 700) {
  testing::Members members;
  for (int i = 0; i < samples; ++i) {
    members.emplace_back(fmt::format("{:04}.jpg", i), std::string(image_bytes, 'x'));
    members.emplace_back(fmt::format("{:04}.txt", i), "a caption");
  }
  return members;
}

void expect_same_layout(const ShardLayout& actual, const ShardLayout& expected) {
  EXPECT_TRUE(std::ranges::equal(actual.begins, expected.begins));
  EXPECT_EQ(actual.end, expected.end);
  EXPECT_EQ(actual.kinds, expected.kinds);
  EXPECT_EQ(actual.damage, expected.damage);
  EXPECT_EQ(actual.has_end_mark, expected.has_end_mark);
}

// How many of the shards were scanned and not found in an index file.
std::int64_t num_scanned(const std::vector<fs::path>& shards, const fs::path& folder = {}) {
  std::int64_t scanned = 0;
  find_layouts(shards, {.threads = 2, .folder = folder, .progress = [&](std::int64_t, std::int64_t total) {
                          scanned = total;
                        }});
  return scanned;
}

TEST(IndexFile, HoldsWhatScanningFinds) {
  const TempDir folder;
  const auto whole = write_tar(folder / "a.tar", members_of(5));
  const std::string content = read_file(whole);
  const auto cut = write_text(folder / "b.tar", content.substr(0, content.size() / 2));
  const auto empty = write_tar(folder / "c.tar", {});
  ShardIndexes shards;
  for (const fs::path& shard : {whole, cut, empty}) {
    shards[shard.filename().string()] = {stamp_of(shard), scan_shard(shard)};
  }
  write_index_file(folder / "x.index", shards);
  const ShardIndexes read = read_index_file(folder / "x.index");
  ASSERT_EQ(read.size(), 3u);
  for (const auto& [name, shard] : shards) {
    EXPECT_EQ(read.at(name).stamp, shard.stamp);
    expect_same_layout(read.at(name).layout, shard.layout);
  }
  EXPECT_EQ(read.at("a.tar").layout.size(), 5);
  EXPECT_THAT(read.at("a.tar").layout.kinds, ElementsAre(Pair("jpg,txt", 5)));
  EXPECT_EQ(read.at("b.tar").layout.damage.size(), 1u);
}

TEST(IndexFile, OfTheCurrentFolderHasTheNameOfThatFolder) {
  EXPECT_EQ(index_elsewhere("x", ""), index_elsewhere("x", fs::current_path()));
}

TEST(IndexFile, TakesFourBytesASample) {
  const TempDir folder;
  const auto few = write_tar(folder / "a.tar", members_of(1, 1)),
             many = write_tar(folder / "b.tar", members_of(1001, 1));
  const auto size_of = [&](const fs::path& shard) {
    write_index_file(folder / "x.index", {{"x.tar", {stamp_of(shard), scan_shard(shard)}}});
    return fs::file_size(folder / "x.index");
  };
  EXPECT_NEAR(static_cast<double>(size_of(many) - size_of(few)), 4 * 1000, 16);
}

TEST(IndexFile, IsNotBelievedWhenItIsDamaged) {
  const TempDir folder;
  const auto shard = write_tar(folder / "a.tar", members_of(50));
  const auto path = folder / "x.index";
  write_index_file(path, {{"a.tar", {stamp_of(shard), scan_shard(shard)}}});
  const std::string whole = read_file(path);
  EXPECT_THAT(read_index_file(folder / "none.index"), IsEmpty());
  set_log_level(LogLevel::error);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    EXPECT_THAT(read_index_file(write_text(path, whole.substr(0, size))), IsEmpty()) << size;
  }
  for (std::size_t i = 0; i < whole.size() - 4 * 50; ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_THAT(read_index_file(write_text(path, changed)), IsEmpty()) << i;
  }
  set_log_level(LogLevel::info);
}

TEST(IndexFile, OfAFolderIsTheSameHoweverTheFolderIsNamed) {
  const fs::path here = fs::current_path();
  const fs::path expected = index_elsewhere("/cache", here);
  EXPECT_EQ(expected.parent_path(), "/cache");
  for (const fs::path& name : {fs::path(""), fs::path("."), fs::path("./x/.."), here / ""})
    EXPECT_EQ(index_elsewhere("/cache", name), expected) << name;
  EXPECT_NE(index_elsewhere("/cache", here / "x"), expected);
}

TEST(FindLayouts, ScansOnlyWhatNoIndexDescribes) {
  const TempDir folder;
  for (const char* name : {"data", "elsewhere"}) fs::create_directory(folder / name);
  std::vector<fs::path> shards;
  for (int i = 0; i < 4; ++i)
    shards.push_back(write_tar(folder / fmt::format("data/{}.tar", i), members_of(3 + i)));
  EXPECT_EQ(num_scanned(shards), 4);
  EXPECT_FALSE(fs::exists(folder / "data" / "cloob.index")) << "nothing is written beside data unasked";
  EXPECT_THAT(update_index_files(shards, {}, {.threads = 2, .folder = {}, .progress = {}}),
              ElementsAre(folder / "data" / "cloob.index"));
  EXPECT_EQ(num_scanned(shards), 0);
  write_tar(shards[1], members_of(9));
  EXPECT_EQ(num_scanned(shards), 1) << "another size";
  std::fstream changed(shards[2], std::ios::in | std::ios::out | std::ios::binary);
  changed.seekp(512).write("9999", 4);
  changed.close();
  fs::last_write_time(shards[2], fs::last_write_time(shards[2]) + std::chrono::seconds(5));
  EXPECT_EQ(num_scanned(shards), 2) << "another time";
  shards.push_back(write_tar(folder / "data/new.tar", members_of(1)));
  EXPECT_EQ(num_scanned(shards), 3);
  const auto layouts = find_layouts(shards, {});
  EXPECT_EQ(layouts[1].size(), 9);
  EXPECT_EQ(layouts[4].size(), 1);

  EXPECT_EQ(update_index_files(shards, folder / "elsewhere", {}).size(), 1u);
  EXPECT_EQ(num_scanned(shards, folder / "elsewhere"), 0);
}

TEST(ScanShard, GoesOnBehindABrokenHeader) {
  const TempDir folder;
  const auto path = write_tar(folder / "a.tar", members_of(10));
  std::string content = read_file(path);
  const ShardLayout whole = scan_shard(path);
  const std::size_t sample_bytes = (whole.begins[1] - whole.begins[0]) * 512u;
  // The header of sample 4's image.
  content[4 * sample_bytes + 3] = '?';
  const ShardLayout damaged = scan_shard(write_text(path, content));
  // Its place stands for the damage; its caption, which is found again, for a sample without an image.
  ASSERT_EQ(damaged.size(), 11);
  EXPECT_THAT(damaged.damage, ElementsAre(Pair(4, HasSubstr(fmt::format("byte {}", 4 * sample_bytes)))));
  EXPECT_THAT(damaged.kinds, ElementsAre(Pair("jpg,txt", 9), Pair("txt", 1)));
  EXPECT_EQ(damaged.begins[6], whole.begins[5]);
  EXPECT_TRUE(damaged.has_end_mark);
}

TEST(ScanShard, NoticesAMissingEndMark) {
  const TempDir folder;
  const auto path = write_tar(folder / "a.tar", members_of(10));
  const std::string content = read_file(path);
  const ShardLayout whole = scan_shard(path);
  EXPECT_TRUE(whole.has_end_mark);
  const ShardLayout cut = scan_shard(write_text(path, content.substr(0, whole.begins[7] * 512u)));
  EXPECT_EQ(cut.size(), 7);
  EXPECT_FALSE(cut.has_end_mark);
  EXPECT_THAT(cut.damage, IsEmpty());
  ::testing::internal::CaptureStderr();
  find_layouts({path}, {});
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("has no end mark"));
}

}  // namespace
}  // namespace cloob

#include "cloob/data/tar/index_file.h"

#include <fmt/core.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/data/tar/shard_index.h"
#include "support/support.h"
#include "support/test_files.h"

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
  EXPECT_EQ(actual.begins.all(), expected.begins.all());
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

TEST(IndexFile, StoresTheResultsOfScanning) {
  const TempDir folder;
  const auto intact = write_tar(folder / "a.tar", members_of(5));
  const std::string content = read_file(intact);
  const auto cut = write_text(folder / "b.tar", content.substr(0, content.size() / 2));
  const auto empty = write_tar(folder / "c.tar", {});
  ShardIndexes shards;
  for (const fs::path& shard : {intact, cut, empty}) {
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

TEST(IndexFile, OfAnEmptyFolderIsThatOfTheCurrentFolder) {
  EXPECT_EQ(index_path_in("x", ""), index_path_in("x", fs::current_path()));
}

TEST(IndexFile, TakesFourBytesPerSample) {
  const TempDir folder;
  const auto few = write_tar(folder / "a.tar", members_of(1, 1)),
             many = write_tar(folder / "b.tar", members_of(1001, 1));
  const auto size_of = [&](const fs::path& shard) {
    write_index_file(folder / "x.index", {{"x.tar", {stamp_of(shard), scan_shard(shard)}}});
    return fs::file_size(folder / "x.index");
  };
  EXPECT_NEAR(static_cast<double>(size_of(many) - size_of(few)), 4 * 1000, 16);
}

TEST(IndexFile, IsIgnoredIfDamaged) {
  const TempDir folder;
  const auto shard = write_tar(folder / "a.tar", members_of(50));
  const auto path = folder / "x.index";
  write_index_file(path, {{"a.tar", {stamp_of(shard), scan_shard(shard)}}});
  const std::string intact = read_file(path);
  EXPECT_THAT(read_index_file(folder / "none.index"), IsEmpty());
  set_log_level(LogLevel::error);
  for (std::size_t size = 0; size < intact.size(); size += 7) {
    EXPECT_THAT(read_index_file(write_text(path, intact.substr(0, size))), IsEmpty()) << size;
  }
  for (std::size_t i = 0; i < intact.size(); ++i) {
    std::string changed = intact;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_THAT(read_index_file(write_text(path, changed)), IsEmpty()) << i;
  }
  set_log_level(LogLevel::info);
}

// With the checksum of what the file says now: zlib's CRC-32 of everything, with zero in its own place.
std::string with_checksum(std::string file) {
  constexpr std::size_t kPlace = 12, kSize = 4;
  file.replace(kPlace, kSize, std::string(kSize, '\0'));
  const auto value = static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const unsigned char*>(file.data()), file.size()));
  std::memcpy(file.data() + kPlace, &value, kSize);
  return file;
}

std::string replaced(std::string file, const std::string& from, const std::string& to) {
  const std::size_t place = file.find(from);
  if (place == std::string::npos || from.size() != to.size())
    throw std::logic_error("bad replacement: " + from);
  return file.replace(place, from.size(), to);
}

std::string with_number(std::string file, std::size_t place, std::uint64_t number) {
  std::memcpy(file.data() + place, &number, sizeof(number));
  return file;
}

TEST(IndexFile, TrustsNoNumberInIt) {
  const TempDir folder;
  const auto shard = write_tar(folder / "a.tar", members_of(50));
  const auto path = folder / "x.index";
  write_index_file(path, {{"a.tar", {stamp_of(shard), scan_shard(shard)}}});
  const std::string intact = read_file(path);
  ASSERT_EQ(read_index_file(write_text(path, with_checksum(intact))).size(), 1u);
  constexpr std::size_t kTextBytes = 16, kNumSamples = 24;  // their places
  const std::size_t second_begin = intact.size() - 4 * 49;
  std::vector<std::string> lies = {
      replaced(intact, "\"samples\":50", "\"samples\":51"),
      replaced(intact, "\"samples\":50", "\"samples\":49"),
      replaced(intact, "\"samples\":50", "\"samples\":-1"),
      replaced(intact, "\"jpg,txt\":50", "\"jpg,txt\":99"),
      replaced(intact, "\"jpg,txt\":50", "\"jpg,txt\":-1"),
      replaced(intact, "\"duplicate_keys\":0", "\"duplicate_keys\":9"),
      replaced(intact, "\"end\":1", "\"end\":9"),
      replaced(intact, "\"damage\"", "\"damige\""),
      intact.substr(0, second_begin) + std::string(4, '\0') + intact.substr(second_begin + 4)};
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{51}, std::uint64_t{1} << 62,
                                     (std::uint64_t{1} << 62) + 50, ~std::uint64_t{0}}) {
    lies.push_back(with_number(intact, kNumSamples, number));
    lies.push_back(with_number(intact, kTextBytes, number));
  }
  set_log_level(LogLevel::error);
  for (const std::string& lie : lies)
    EXPECT_THAT(read_index_file(write_text(path, with_checksum(lie))), IsEmpty()) << lie.substr(32);
  set_log_level(LogLevel::info);
}

TEST(IndexFile, IsNotWrittenOverAnotherFile) {
  const TempDir folder;
  const auto shard = write_tar(folder / "a.tar", members_of(5));
  write_text(folder / "cloob.index", "my own notes");
  testing::expect_user_error([&] { update_index_files({shard}, {}, {}); },
                             {"cloob.index' exists and is not an index"});
  EXPECT_EQ(read_file(folder / "cloob.index"), "my own notes");
}

TEST(IndexFile, DoesNotDependOnTheSpellingOfTheFolder) {
  const fs::path here = fs::current_path();
  const fs::path expected = index_path_in("/cache", here);
  EXPECT_EQ(expected.parent_path(), "/cache");
  for (const fs::path& name : {fs::path(""), fs::path("."), fs::path("./x/.."), here / ""})
    EXPECT_EQ(index_path_in("/cache", name), expected) << name;
  EXPECT_NE(index_path_in("/cache", here / "x"), expected);
}

TEST(FindLayouts, ScansOnlyShardsWithoutAnUpToDateIndex) {
  const TempDir folder;
  for (const char* name : {"data", "elsewhere"}) fs::create_directory(folder / name);
  std::vector<fs::path> shards;
  for (int i = 0; i < 4; ++i)
    shards.push_back(write_tar(folder / fmt::format("data/{}.tar", i), members_of(3 + i)));
  EXPECT_EQ(num_scanned(shards), 4);
  EXPECT_FALSE(fs::exists(folder / "data" / "cloob.index"))
      << "nothing is written beside the data unless requested";
  EXPECT_THAT(update_index_files(shards, {}, {.threads = 2, .folder = {}, .progress = {}}),
              ElementsAre(folder / "data" / "cloob.index"));
  EXPECT_EQ(num_scanned(shards), 0);
  write_tar(shards[1], members_of(9));
  EXPECT_EQ(num_scanned(shards), 1) << "the size has changed";
  std::fstream changed(shards[2], std::ios::in | std::ios::out | std::ios::binary);
  changed.seekp(512).write("9999", 4);
  changed.close();
  fs::last_write_time(shards[2], fs::last_write_time(shards[2]) + std::chrono::seconds(5));
  EXPECT_EQ(num_scanned(shards), 2) << "the time has changed";
  shards.push_back(write_tar(folder / "data/new.tar", members_of(1)));
  EXPECT_EQ(num_scanned(shards), 3);
  const auto layouts = find_layouts(shards, {});
  EXPECT_EQ(layouts[1].size(), 9);
  EXPECT_EQ(layouts[4].size(), 1);

  EXPECT_EQ(update_index_files(shards, folder / "elsewhere", {}).size(), 1u);
  EXPECT_EQ(num_scanned(shards, folder / "elsewhere"), 0);
}

TEST(ScanShard, ContinuesAfterABrokenHeader) {
  const TempDir folder;
  const auto path = write_tar(folder / "a.tar", members_of(10));
  std::string content = read_file(path);
  const ShardLayout intact = scan_shard(path);
  const std::size_t sample_bytes = (intact.begins.all()[1] - intact.begins.all()[0]) * 512u;
  // The header of the image of sample 4.
  content[4 * sample_bytes + 3] = '?';
  const ShardLayout damaged = scan_shard(write_text(path, content));
  // Sample 4 stands for the damage; its caption, found after it, becomes a sample without an image.
  ASSERT_EQ(damaged.size(), 11);
  EXPECT_THAT(damaged.damage, ElementsAre(Pair(4, HasSubstr(fmt::format("byte {}", 4 * sample_bytes)))));
  EXPECT_THAT(damaged.kinds, ElementsAre(Pair("jpg,txt", 9), Pair("txt", 1)));
  EXPECT_EQ(damaged.begins.all()[6], intact.begins.all()[5]);
  EXPECT_TRUE(damaged.has_end_mark);
}

TEST(ScanShard, DetectsAMissingEndMark) {
  const TempDir folder;
  const auto path = write_tar(folder / "a.tar", members_of(10));
  const std::string content = read_file(path);
  const ShardLayout intact = scan_shard(path);
  EXPECT_TRUE(intact.has_end_mark);
  const ShardLayout cut = scan_shard(write_text(path, content.substr(0, intact.begins.all()[7] * 512u)));
  EXPECT_EQ(cut.size(), 7);
  EXPECT_FALSE(cut.has_end_mark);
  EXPECT_THAT(cut.damage, IsEmpty());
  ::testing::internal::CaptureStderr();
  find_layouts({path}, {});
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("has no end mark"));
}

}  // namespace
}  // namespace cloob

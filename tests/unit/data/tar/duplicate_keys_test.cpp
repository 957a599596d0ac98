#include "data/tar/duplicate_keys.h"

#include <fmt/core.h>

#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/data/source.h"
#include "cloob/data/tar/index_file.h"
#include "cloob/data/tar/shard_index.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempDir;
using testing::write_tar;
using testing::write_text;

TEST(DuplicateKeys, CountsEveryRepetition) {
  Tally found;
  DuplicateKeys keys(found);
  for (const char* key : {"a", "b", "a", "b", "b", "c", "", ""}) keys.add(key);
  EXPECT_EQ(found.count, 4);
  EXPECT_THAT(found.examples, ElementsAre("a", "b", ""));
}

TEST(DuplicateKeys, DistinguishesAHundredThousandKeys) {
  Tally found;
  DuplicateKeys keys(found);
  for (int i = 0; i < 100'000; ++i) keys.add(fmt::format("{:09}", i));
  EXPECT_EQ(found.count, 0);
}

// "a" occurs in two places, "b" twice in a row.
testing::Members repeating() {
  return {{"a.jpg", "A"}, {"a.txt", "a"}, {"b.jpg", "B"},  {"b.txt", "b"},
          {"b.jpg", "B"}, {"b.txt", "b"}, {"a.jpg", "A2"}, {"a.txt", "a2"}};
}

TEST(DuplicateKeys, CountsSamplesWithTheKeyOfAnEarlierOne) {
  const TempDir folder;
  const ShardLayout layout = scan_shard(write_tar(folder / "0.tar", repeating()));
  EXPECT_EQ(layout.size(), 4);
  EXPECT_EQ(layout.duplicate_keys.count, 2);
  EXPECT_THAT(layout.duplicate_keys.examples, ElementsAre("b", "a"));
}

TEST(DuplicateKeys, DoesNotCountTheRestOfADamagedSample) {
  const TempDir folder;
  // Each member takes a header and a block of data; the header of a.txt is broken.
  std::string shard = read_file(write_tar(
      folder / "0.tar", {{"a.jpg", "A"}, {"a.txt", "a"}, {"a.json", "{}"}, {"b.jpg", "B"}, {"b.txt", "b"}}));
  shard[1024 + 150] = '9';
  const ShardLayout layout = scan_shard(write_text(folder / "0.tar", shard));
  EXPECT_EQ(layout.damage.size(), 1u);
  EXPECT_EQ(layout.duplicate_keys.count, 0);
}

TEST(DuplicateKeys, AreStoredInTheIndex) {
  const TempDir folder;
  const auto shard = write_tar(folder / "0.tar", repeating());
  const ShardLayout scanned = scan_shard(shard);
  write_index_file(folder / "x.index", {{"0.tar", {stamp_of(shard), scanned}}});
  EXPECT_EQ(read_index_file(folder / "x.index").at("0.tar").layout.duplicate_keys, scanned.duplicate_keys);
}

TEST(DuplicateKeys, AreCollectedFromAllShardsWithTheDamage) {
  const TempDir folder;
  const std::string intact = read_file(write_tar(folder / "0.tar", repeating()));
  write_tar(folder / "1.tar", repeating());
  write_tar(folder / "2.tar", {{"a.jpg", "A"}, {"a.txt", "a"}});
  write_text(folder / "3.tar", intact.substr(0, 2048 + 300));
  ::testing::internal::CaptureStderr();
  set_log_level(LogLevel::warning);
  const auto source = make_source({}, {(folder / "[012].tar").string() + "::" + (folder / "3.tar").string()},
                                  Purpose::training);
  const std::string warnings = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(warnings,
              HasSubstr("0.tar': 2 of its samples have the key of an earlier one, for example 'b'"));
  EXPECT_THAT(warnings, HasSubstr("1.tar': 2 of its samples"));
  SourceFaults faults;
  source->add_faults(faults);
  EXPECT_EQ(faults.duplicate_keys.count, 4);
  EXPECT_THAT(faults.duplicate_keys.examples,
              ElementsAre(HasSubstr("0.tar': 2 of"), HasSubstr("1.tar': 2 of")));
  EXPECT_EQ(faults.damaged_shards.count, 1);
  EXPECT_THAT(faults.damaged_shards.examples, ElementsAre(HasSubstr("3.tar' is damaged: it ends inside")));
}

}  // namespace
}  // namespace cloob

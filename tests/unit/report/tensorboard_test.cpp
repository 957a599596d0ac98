#include "cloob/report/tensorboard.h"

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "report/event_encoding.h"
#include "support/support.h"

namespace cloob {
namespace {

std::vector<std::filesystem::path> files_by_name(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(Crc32c, MatchesThePublishedCheckValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(EventEncoding, RejectsDataThatIsNotPng) { EXPECT_THROW(image_event(0, 0, "x", "JPEG"), InternalError); }

TEST(TensorBoardWriter, WritesEveryEventImmediately) {
  const testing::TempDir folder;
  TensorBoardWriter writer(folder / "tensorboard", std::nullopt);
  const std::filesystem::path file = files_by_name(folder / "tensorboard").at(0);
  const std::size_t version_only = read_file(file).size();
  EXPECT_EQ(version_only, frame_record(version_event(0)).size());
  writer.write_scalars(7, {{"train/loss", 1.0}});
  EXPECT_EQ(read_file(file).size() - version_only,
            frame_record(scalars_event(0, 7, {{"train/loss", 1.0}})).size());
}

TEST(TensorBoardWriter, FileOfAResumedRunSortsLaterEvenWithinOneSecond) {
  const testing::TempDir folder;
  // A file of the year 2286: the clock of the stopped run was wrong.
  write_file_atomically(folder / "events.out.tfevents.9999999990.host.1", "");
  const TensorBoardWriter first(folder.path(), 20);
  const TensorBoardWriter second(folder.path(), 40);
  const auto files = files_by_name(folder.path());
  ASSERT_EQ(files.size(), 3U);
  const auto ends_with_session_at = [](const std::filesystem::path& file, std::int64_t step) {
    // The wall time is unknown: compares everything after its 9 bytes, except for the checksum.
    const std::string expected = session_start_event(0, step).substr(9);
    const std::string content = read_file(file);
    return content.substr(content.size() - 4 - expected.size(), expected.size()) == expected;
  };
  EXPECT_TRUE(ends_with_session_at(files[1], 21));
  EXPECT_TRUE(ends_with_session_at(files[2], 41));
}

}  // namespace
}  // namespace cloob

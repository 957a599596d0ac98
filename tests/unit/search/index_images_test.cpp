// Which images of a folder are indexed.

#include "cloob/search/index_images.h"

#include <filesystem>

#include "cloob/base/log.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

TEST(IndexSource, SaysWhichFoldersItDoesNotFollow) {
  const testing::TempDir folder, other;
  testing::write_text(folder / "cat/1.jpg", "c");
  testing::write_text(other / "2.jpg", "d");
  std::filesystem::create_directory_symlink(other.path(), folder / "linked");
  set_log_level(LogLevel::warning);
  ::testing::internal::CaptureStderr();
  const auto source = open_index_source(DataConfig{}, {folder.path().string()});
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(source->size(), 1);
  EXPECT_THAT(log, ::testing::HasSubstr("symbolic links to folders are not followed (1 left out)"));
}

}  // namespace
}  // namespace cloob

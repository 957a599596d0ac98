#include "cloob/run/run_directory.h"

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;

TEST(RunDirectory, LeavesNothingBehindIfNothingWasWritten) {
  const testing::TempDir folder;
  const std::filesystem::path path = folder / "run";
  { const RunDirectory directory(path); }
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    const RunDirectory directory(path);
    write_file_atomically(directory.config_file(), "");
  }
  EXPECT_TRUE(std::filesystem::exists(path / "run.lock"));
  std::filesystem::remove(path / "config.yaml");
  { const RunDirectory directory(path); }
  EXPECT_TRUE(std::filesystem::exists(path)) << "it existed before";
}

TEST(RunDirectory, NoticesThatItIsGone) {
  const testing::TempDir folder;
  for (const bool is_renamed : {true, false}) {
    const std::filesystem::path path = folder / "run";
    const RunDirectory directory(path);
    directory.require_present();
    if (is_renamed) std::filesystem::rename(path, folder / "elsewhere");
    if (!is_renamed) std::filesystem::remove_all(path);
    expect_user_error([&] { directory.require_present(); }, {path.string(), "removed, renamed or replaced"});
    make_directories(path);
    write_file_atomically(path / "run.lock", "");
    expect_user_error([&] { directory.require_present(); }, {"removed, renamed or replaced"});
    std::filesystem::remove_all(path);
  }
}

}  // namespace
}  // namespace cloob

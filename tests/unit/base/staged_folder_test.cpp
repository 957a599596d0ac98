#include "cloob/base/staged_folder.h"

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::TempDir;

void make_folder(const fs::path& folder, const std::string& content) {
  fs::create_directory(folder);
  write_file_atomically(folder / "file", content);
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& path : paths_in(folder)) names.push_back(path.filename().string());
  return names;
}

TEST(StagedFolder, ReplacesTheFolderThatALinkNames) {
  const TempDir folder;
  fs::create_directories(folder / "disk");
  make_folder(folder / "disk" / "real", "old");
  fs::create_symlink("disk/real", folder / "link");
  {
    StagedFolder staged(folder / "link");
    write_file_atomically(staged.path() / "file", "new");
    staged.publish();
  }
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "disk" / "real" / "file"), "new");
  EXPECT_THAT(names_in(folder / "disk"), ElementsAre("real"));
  fs::create_symlink("nothing", folder / "dangling");
  testing::expect_user_error([&] { require_new_or_empty(folder / "dangling"); },
                             {"dangling", "a link to what does not exist"});
  testing::expect_user_error([&] { const StagedFolder staged(folder / "dangling"); }, {"dangling"});
}

TEST(StagedFolder, ReplacesAFolderByRenaming) {
  const TempDir folder;
  make_folder(folder / "a", "old");
  make_folder(folder / "new", "new");
  replace_by_renaming(folder / "new", folder / "a");
  EXPECT_EQ(read_file(folder / "a" / "file"), "new");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(StagedFolder, KeepsTheOldFolderWhenTheNewOneCannotBeRenamed) {
  const TempDir folder;
  make_folder(folder / "a", "old");
  testing::expect_user_error([&] { replace_by_renaming(folder / "absent", folder / "a"); },
                             {"cannot rename", "absent", "No such file"});
  EXPECT_EQ(read_file(folder / "a" / "file"), "old");
}

TEST(RecoverFromCrash, RestoresAFolderThatWasMovedAside) {
  const TempDir folder;
  make_folder(folder / ".replacing_a", "old");
  make_folder(folder / ".saving_a", "new");
  recover_from_crash(folder.path());
  EXPECT_EQ(read_file(folder / "a" / "file"), "old");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(RecoverFromCrash, RemovesTheOldFolderWhenTheNewOneIsInPlace) {
  const TempDir folder;
  make_folder(folder / ".replacing_a", "old");
  make_folder(folder / ".removing_.replacing_a", "old");
  make_folder(folder / "a", "new");
  recover_from_crash(folder.path());
  EXPECT_EQ(read_file(folder / "a" / "file"), "new");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

}  // namespace
}  // namespace cloob

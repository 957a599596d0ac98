#include "cloob/base/foreign_content.h"

#include <gmock/gmock.h>

#include <string>

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

TEST(ForeignContent, RecognizesGitLfsPointers) {
  EXPECT_THAT(
      describe_foreign_content("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n"),
      Optional(HasSubstr("git lfs pull")));
}

TEST(ForeignContent, RecognizesWebPagesInAnyCaseAndAfterWhiteSpace) {
  EXPECT_THAT(describe_foreign_content("<!DOCTYPE html>\n<html>"), Optional(HasSubstr("HTML")));
  EXPECT_THAT(describe_foreign_content("\xEF\xBB\xBF\r\n <HTML lang=en>"), Optional(HasSubstr("HTML")));
}

TEST(ForeignContent, RecognizesErrorsOfObjectStores) {
  EXPECT_THAT(describe_foreign_content("<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>"),
              Optional(HasSubstr("XML")));
}

TEST(ForeignContent, LeavesOtherContentAlone) {
  for (const std::string text :
       {"", "<", "<?xml version=\"1.0\"?><svg/>", "PK\3\4", "version 1", "\xFF\xD8\xFF"})
    EXPECT_EQ(describe_foreign_content(text), std::nullopt) << text;
}

TEST(ForeignContent, IsRefusedWhereTextsAreRead) {
  const testing::TempDir folder;
  const std::filesystem::path file = folder / "names.txt";
  write_file_atomically(file, "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n");
  const std::initializer_list<std::string> parts = {"names.txt' is a Git LFS pointer", "git lfs pull"};
  testing::expect_user_error([&] { read_lines(file); }, parts);
  testing::expect_user_error([&] { read_small_file(file, 1000, "a list"); }, parts);
  testing::expect_user_error([&] { reject_foreign_file(file); }, parts);
  write_file_atomically(file, "a dog\n");
  EXPECT_NO_THROW(reject_foreign_file(file));
}

}  // namespace
}  // namespace cloob

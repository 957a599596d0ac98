#include "cloob/base/foreign_content.h"

#include <gmock/gmock.h>

#include <string>

namespace cloob {
namespace {

using testing::HasSubstr;
using testing::Optional;

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

}  // namespace
}  // namespace cloob

#include "cloob/base/message.h"

#include <gmock/gmock.h>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"

namespace cloob {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Presentable, LeavesMessagesAlone) {
  for (const std::string& text :
       {std::string(), std::string("a\nb\n"), std::string(2000, 'x'), std::string(49, '\n')})
    EXPECT_EQ(presentable(text), text);
}

TEST(Presentable, CutsTheMiddleOfLongLines) {
  const std::string text = "begin" + std::string(1'000'000, 'x') + "end";
  const std::string shown = presentable("first\n" + text + "\nlast");
  EXPECT_THAT(shown, AllOf(StartsWith("first\nbegin"), HasSubstr("[... 998,108 bytes left out ...]"),
                           EndsWith("end\nlast")));
  EXPECT_LT(shown.size(), 2100u);
  EXPECT_EQ(presentable(shown), shown);
}

TEST(Presentable, CutsBetweenCharacters) {
  for (const std::string character : {"\xc3\xa9", "\xe4\xbd\xa0", "\xf0\x9f\x90\xb6"}) {
    std::string text = "x";
    while (text.size() < 5000) text += character;
    EXPECT_TRUE(is_valid_utf8(presentable(text))) << text.substr(0, 5);
  }
  EXPECT_LT(presentable(std::string(5000, '\x80')).size(), 2000u) << "not UTF-8";
}

TEST(Presentable, CutsLongListsOfLines) {
  std::string text;
  for (int i = 0; i < 100'008; ++i) text += "line\n";
  EXPECT_THAT(presentable(text), EndsWith("line\n[... 99,958 lines left out ...]"));
  EXPECT_EQ(presentable(presentable(text)), presentable(text));
}

TEST(Presentable, ShowsNulBytes) {
  EXPECT_EQ(presentable(std::string("a\0b", 3)), "a\\0b");
  EXPECT_STREQ(UserError(std::string("'a\0b' is wrong", 14)).what(), "'a\\0b' is wrong");
}

TEST(LogMessage, IsPresentable) {
  set_log_level(LogLevel::info);
  ::testing::internal::CaptureStderr();
  log_info("x", "{}", std::string("\0", 1) + std::string(100'000, 'y'));
  const std::string line = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(line, AllOf(StartsWith("[x] \\0yyy"), HasSubstr("bytes left out")));
  EXPECT_LT(line.size(), 2100u);
}

}  // namespace
}  // namespace cloob

#include "cloob/base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace cloob {
namespace {

TEST(Utf8, EndsAtTheFirstByteThatIsNotValid) {
  EXPECT_EQ(valid_utf8_length(""), 0U);
  EXPECT_EQ(valid_utf8_length("a\xC3\xA9\xE7\x8C\xAB\xF0\x9F\x98\x80"), 10U);
  EXPECT_EQ(valid_utf8_length("caf\xE9 x"), 3U);
  EXPECT_EQ(valid_utf8_length("ab\xC3"), 2U) << "truncated";
  EXPECT_EQ(valid_utf8_length("a\xC0\x80"), 1U) << "overlong";
  EXPECT_EQ(valid_utf8_length("\xED\xA0\x80"), 0U) << "a surrogate";
  EXPECT_EQ(valid_utf8_length("\xF4\x90\x80\x80"), 0U) << "above U+10FFFF";
  EXPECT_TRUE(is_valid_utf8("it has \xEF\xBF\xBD"));
}

}  // namespace
}  // namespace cloob

#include "cloob/base/shell_word.h"

#include <gtest/gtest.h>

namespace cloob {
namespace {

TEST(ShellWord, IsQuotedIfAShellWouldSplitOrExpandIt) {
  EXPECT_EQ(shell_word("runs/a-1_b.csv"), "runs/a-1_b.csv");
  EXPECT_EQ(shell_word("my data"), "'my data'");
  EXPECT_EQ(shell_word("x[1]{a,b}*"), "'x[1]{a,b}*'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace cloob

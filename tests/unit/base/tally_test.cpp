#include "cloob/base/tally.h"

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

TEST(Tally, KeepsTheFirstExamplesAndAsksForNoMore) {
  Tally tally;
  int asked = 0;
  for (const char* const example : {"a", "a", "b", "a", "c", "d", "e"}) {
    tally.add([&] {
      ++asked;
      return example;
    });
  }
  EXPECT_EQ(tally.count, 7);
  EXPECT_THAT(tally.examples, ElementsAre("a", "b", "c"));
  EXPECT_EQ(asked, 5);
}

TEST(Tally, GoesOnWhereAnotherEnded) {
  Tally tally{.count = 5, .examples = {"a", "b"}};
  tally.add_all({.count = 3, .examples = {"b", "c", "d"}});
  EXPECT_EQ(tally, (Tally{.count = 8, .examples = {"a", "b", "c"}}));
}

}  // namespace
}  // namespace cloob

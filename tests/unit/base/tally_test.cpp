#include "cloob/base/tally.h"

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

TEST(Tally, KeepsTheFirstExamplesAndMakesNoMore) {
  Tally tally;
  int num_calls = 0;
  for (const char* const example : {"a", "a", "b", "a", "c", "d", "e"}) {
    tally.add([&] {
      ++num_calls;
      return example;
    });
  }
  EXPECT_EQ(tally.count, 7);
  EXPECT_THAT(tally.examples, ElementsAre("a", "b", "c"));
  EXPECT_EQ(num_calls, 5);
}

TEST(Tally, AddsALaterTally) {
  Tally tally{.count = 5, .examples = {"a", "b"}};
  tally.add_all({.count = 3, .examples = {"b", "c", "d"}});
  EXPECT_EQ(tally, (Tally{.count = 8, .examples = {"a", "b", "c"}}));
}

}  // namespace
}  // namespace cloob

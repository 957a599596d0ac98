#include "cloob/data/bad_samples.h"

#include <set>
#include <string>

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

TEST(BadKind, EveryKindHasItsOwnName) {
  std::set<std::string> ids;
  for (std::size_t i = 0; i < kNumBadKinds; ++i) {
    const std::string id = bad_kind_id(static_cast<BadKind>(i));
    EXPECT_NE(id, "?");
    EXPECT_EQ(id.find(' '), id.npos);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), kNumBadKinds);
  EXPECT_EQ(bad_kind_name(static_cast<BadKind>(kNumBadKinds)), "?") << "a kind was added, but not counted";
  EXPECT_EQ(bad_kind_id(BadKind::damaged_image), "damaged_image");
}

TEST(BadSampleCounts, ContinuesEarlierCounts) {
  BadSampleCounts counts;
  counts.add_all(BadKind::too_large, {.count = 7, .examples = {"1", "2"}});
  for (const char* example : {"2", "3", "4"}) {
    counts.add(BadKind::too_large, [&] { return example; });
  }
  counts.add(BadKind::no_image, [] { return "5"; });
  EXPECT_EQ(counts.total(), 11);
  EXPECT_THAT(counts.kinds(), ElementsAre(BadKind::no_image, BadKind::too_large));
  EXPECT_EQ(counts.by_kind(), "1 no image, 10 too large");
  EXPECT_THAT(counts.examples(BadKind::too_large), ElementsAre("1", "2", "3"));
}

}  // namespace
}  // namespace cloob

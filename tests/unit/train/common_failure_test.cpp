#include "train/common_failure.h"

#include <ATen/ops/ones.h>

#include <array>

#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::run_ranks;

TEST(TellingCollectives, EndTheWorkOfAllRanksAtTheSamePlace) {
  for (int operation = 0; operation < 5; ++operation) {
    run_ranks(3, [&](const Collectives& ranks) {
      const TellingCollectives collectives(ranks);
      const at::Tensor ones = at::ones({2});
      const auto work = [&] {
        collectives.sum_in_place(std::array{ones});
        if (operation == 0) collectives.sum_in_place(std::array{ones});
        if (operation == 1) collectives.max(1);
        if (operation == 2) collectives.gather_rows(ones);
        if (operation == 3) collectives.broadcast({{"ones", ones}});
        if (operation == 4) collectives.ask();
      };
      if (ranks.rank() == 1) {
        collectives.sum_in_place(std::array{ones});
        collectives.tell();
      } else {
        EXPECT_THROW(work(), OtherRankFailed);
      }
      EXPECT_EQ(ones[0].item<float>(), 3);
      EXPECT_EQ(ranks.max(static_cast<double>(ranks.rank())), 2) << "they can go on together";
    });
  }
}

TEST(TellingCollectives, OfOneProcessNeverEndIt) {
  const SingleProcess alone;
  const TellingCollectives collectives(alone);
  collectives.ask();
  EXPECT_EQ(collectives.max(7), 7);
}

}  // namespace
}  // namespace cloob

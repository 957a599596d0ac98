#include "train/step_decision.h"

#include <mutex>
#include <vector>

#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

std::vector<StepDecision> decisions(const std::vector<StepVote>& votes) {
  std::vector<StepDecision> all(votes.size());
  testing::run_ranks(std::ssize(votes), [&](const Collectives& collectives) {
    const auto rank = static_cast<std::size_t>(collectives.rank());
    all[rank] = decide(votes[rank], collectives);
  });
  return all;
}

TEST(StepDecision, OfOneProcessIsItsVote) {
  const StepDecision decision =
      decide({.stop_signal = 15, .save_is_due = true, .num_samples = 7, .num_bad = 2}, SingleProcess());
  EXPECT_EQ(decision.stop_signal, 15);
  EXPECT_TRUE(decision.saves);
  EXPECT_EQ(decision.num_samples, 7);
  EXPECT_EQ(decision.num_bad, 2);
}

TEST(StepDecision, IsTheSameOnAllRanks) {
  for (const StepDecision& decision :
       decisions({{.stop_signal = 0, .save_is_due = false, .num_samples = 1, .num_bad = 3},
                  {.stop_signal = 2, .save_is_due = false, .num_samples = 0, .num_bad = 1},
                  {.stop_signal = 0, .save_is_due = true, .num_samples = 4}})) {
    EXPECT_EQ(decision.stop_signal, 2);
    EXPECT_TRUE(decision.saves);
    EXPECT_EQ(decision.num_samples, 5);
    EXPECT_EQ(decision.num_bad, 4);
  }
  for (const StepDecision& decision :
       decisions({{.num_samples = 1, .own_seconds = 0.5}, {.num_samples = 1, .own_seconds = 2}})) {
    EXPECT_EQ(decision.own_seconds, (std::vector<double>{0.5, 2}));
    EXPECT_EQ(decision.stop_signal, 0);
    EXPECT_FALSE(decision.saves);
    EXPECT_FALSE(decision.has_failure);
    EXPECT_EQ(decision.num_samples, 2) << "enough for a contrastive loss, although no rank has two";
  }
  for (const StepDecision& decision : decisions({{.num_samples = 4}, {.has_failed = true}}))
    EXPECT_TRUE(decision.has_failure);
}

}  // namespace
}  // namespace cloob

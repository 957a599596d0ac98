#include "distributed/own_gpu.h"

#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;

RankEnvironment rank_of_machine(std::int64_t local_rank, std::int64_t local_world_size) {
  RankEnvironment environment;
  environment.rank = environment.local_rank = local_rank;
  environment.world_size = environment.local_world_size = local_world_size;
  return environment;
}

TEST(OwnGpu, IsThatOfTheRanksNumberOnItsMachine) {
  EXPECT_EQ(own_gpu(rank_of_machine(1, 2), std::nullopt, 8), "1");
  EXPECT_EQ(own_gpu(rank_of_machine(2, 3), "4,GPU-5a,6", 8), "6");
  EXPECT_EQ(own_gpu(rank_of_machine(1, 3), "4,GPU-5a,6", 8), "GPU-5a");
}

TEST(OwnGpu, IsLeftToTheLauncherOrAbsent) {
  EXPECT_FALSE(own_gpu(rank_of_machine(0, 1), "0,1", 8)) << "one rank may use any";
  EXPECT_FALSE(own_gpu(rank_of_machine(1, 2), "3", 8)) << "the launcher has chosen";
  EXPECT_FALSE(own_gpu(rank_of_machine(1, 2), "", 8)) << "hidden";
  EXPECT_FALSE(own_gpu(rank_of_machine(1, 2), std::nullopt, 0));
  EXPECT_FALSE(own_gpu(rank_of_machine(1, 2), std::nullopt, 1));
}

TEST(OwnGpu, IsRequiredOfRanksOnGpus) {
  EXPECT_NO_THROW(require_own_gpu(rank_of_machine(0, 1), std::nullopt));
  EXPECT_NO_THROW(require_own_gpu(rank_of_machine(1, 2), "1"));
  expect_user_error([] { require_own_gpu(rank_of_machine(1, 2), std::nullopt); },
                    {"rank 1 has no GPU of its own", "fewer GPUs than its 2 ranks"});
}

}  // namespace
}  // namespace cloob

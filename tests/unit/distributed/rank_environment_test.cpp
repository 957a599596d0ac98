#include "cloob/distributed/rank_environment.h"

#include <map>

#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using Variables = std::map<std::string, std::string>;

RankEnvironment read(const Variables& variables) {
  return read_rank_environment([&](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

void expect_ranks(const RankEnvironment& environment, std::int64_t rank, std::int64_t world_size,
                  std::int64_t local_rank, std::int64_t local_world_size) {
  EXPECT_EQ(environment.rank, rank);
  EXPECT_EQ(environment.world_size, world_size);
  EXPECT_EQ(environment.local_rank, local_rank);
  EXPECT_EQ(environment.local_world_size, local_world_size);
}

TEST(RankEnvironment, IsOneProcessWithoutALauncher) {
  const RankEnvironment environment = read({});
  expect_ranks(environment, 0, 1, 0, 1);
  EXPECT_TRUE(environment.launcher.empty());
  // A batch script of Slurm, in which no srun has started this process.
  expect_ranks(read({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_LOCALID", "0"}}), 0, 1, 0, 1);
}

TEST(RankEnvironment, UnderstandsTorchrun) {
  Variables variables = {{"RANK", "5"},
                         {"WORLD_SIZE", "8"},
                         {"LOCAL_RANK", "1"},
                         {"LOCAL_WORLD_SIZE", "4"},
                         {"MASTER_ADDR", "node-1"},
                         {"MASTER_PORT", "1234"},
                         {"SLURM_PROCID", "7"},
                         {"SLURM_STEP_NUM_TASKS", "9"}};
  const RankEnvironment environment = read(variables);
  expect_ranks(environment, 5, 8, 1, 4);
  EXPECT_EQ(environment.address, "node-1");
  EXPECT_EQ(environment.port, 1234);
  EXPECT_FALSE(environment.launcher_hosts_store);
  variables["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  variables["TORCHELASTIC_RESTART_COUNT"] = "2";
  EXPECT_TRUE(read(variables).launcher_hosts_store);
  EXPECT_EQ(read(variables).store_prefix, "/worker/attempt_2");
}

TEST(RankEnvironment, UnderstandsSrun) {
  const RankEnvironment environment = read({{"SLURM_PROCID", "6"},
                                            {"SLURM_STEP_NUM_TASKS", "7"},
                                            {"SLURM_LOCALID", "2"},
                                            {"SLURM_NODEID", "1"},
                                            {"SLURM_STEP_TASKS_PER_NODE", "4,3"},
                                            {"SLURM_STEP_NODELIST", "gpu[07-08]"},
                                            {"SLURM_JOB_ID", "100"},
                                            {"SLURM_STEP_ID", "3"}});
  expect_ranks(environment, 6, 7, 2, 3);
  EXPECT_EQ(environment.address, "gpu07");
  EXPECT_EQ(environment.port, 20'000 + 1603);
}

TEST(RankEnvironment, UnderstandsMpirun) {
  Variables variables = {{"OMPI_COMM_WORLD_RANK", "1"},
                         {"OMPI_COMM_WORLD_SIZE", "2"},
                         {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                         {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  expect_ranks(read(variables), 1, 2, 1, 2);
  variables["OMPI_COMM_WORLD_LOCAL_SIZE"] = "1";
  variables["OMPI_COMM_WORLD_LOCAL_RANK"] = "0";
  expect_user_error([&] { read(variables); }, {"set MASTER_ADDR"});
  variables["MASTER_ADDR"] = "10.0.0.1";
  EXPECT_EQ(read(variables).address, "10.0.0.1");
}

TEST(RankEnvironment, RefusesWhatCannotBe) {
  expect_user_error([] { read({{"RANK", "2"}, {"WORLD_SIZE", "2"}}); }, {"rank 2 of 2"});
  expect_user_error([] { read({{"RANK", "one"}, {"WORLD_SIZE", "2"}}); }, {"RANK is 'one'"});
  expect_user_error(
      [] {
        read({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "70000"}});
      },
      {"MASTER_PORT is '70000'"});
}

TEST(Slurm, ListsAreRead) {
  EXPECT_EQ(first_slurm_node("node1"), "node1");
  EXPECT_EQ(first_slurm_node("a,b"), "a");
  EXPECT_EQ(first_slurm_node("gpu[07-09,12],x"), "gpu07");
  EXPECT_EQ(first_slurm_node("gpu[3,5]"), "gpu3");
  for (const auto& [node, tasks] : {std::pair(0, 4), {1, 4}, {2, 3}})
    EXPECT_EQ(slurm_tasks_of_node("4(x2),3", node), tasks);
  expect_user_error([] { slurm_tasks_of_node("4(x2),3", 3); }, {"nothing of node 3"});
  expect_user_error([] { slurm_tasks_of_node("four", 0); }, {"'four'"});
}

}  // namespace
}  // namespace cloob

#include "cloob/distributed/rank_environment.h"

#include <cstdlib>
#include <string_view>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

constexpr std::int64_t kMaxRanks = 65'536;

// The integer in a variable, within [lowest, highest].
std::optional<std::int64_t> number(const EnvironmentLookup& lookup, const std::string& name,
                                   std::int64_t lowest, std::int64_t highest) {
  const auto text = lookup(name);
  if (!text || text->empty()) return std::nullopt;
  const auto value = parse_integer(*text);
  if (!value || *value < lowest || *value > highest)
    throw_user_error("the environment variable {} is '{}', must be an integer from {} to {}", name, *text,
                     lowest, highest);
  return value;
}

std::int64_t required(const EnvironmentLookup& lookup, const std::string& name, std::int64_t lowest,
                      std::int64_t highest, std::string_view beside) {
  const auto value = number(lookup, name, lowest, highest);
  if (!value)
    throw_user_error("the environment variable {} is set, but {} is not: set both, or none of them", beside,
                     name);
  return *value;
}

void take_torchrun(const EnvironmentLookup& lookup, RankEnvironment& environment) {
  environment.launcher = "torchrun";
  environment.world_size = required(lookup, "WORLD_SIZE", 1, kMaxRanks, "RANK");
  environment.rank = required(lookup, "RANK", 0, kMaxRanks, "WORLD_SIZE");
  const bool is_placed = lookup("LOCAL_RANK").has_value();
  environment.local_rank = number(lookup, "LOCAL_RANK", 0, kMaxRanks).value_or(environment.rank);
  environment.local_world_size =
      number(lookup, "LOCAL_WORLD_SIZE", 1, kMaxRanks).value_or(is_placed ? 1 : environment.world_size);
  environment.launcher_hosts_store = lookup("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
  if (environment.launcher_hosts_store)
    environment.store_prefix = "/worker/attempt_" + lookup("TORCHELASTIC_RESTART_COUNT").value_or("0");
}

void take_slurm(const EnvironmentLookup& lookup, RankEnvironment& environment) {
  environment.launcher = "Slurm";
  environment.world_size = required(lookup, "SLURM_STEP_NUM_TASKS", 1, kMaxRanks, "SLURM_PROCID");
  environment.rank = required(lookup, "SLURM_PROCID", 0, kMaxRanks, "SLURM_STEP_NUM_TASKS");
  environment.local_rank = required(lookup, "SLURM_LOCALID", 0, kMaxRanks, "SLURM_PROCID");
  const std::int64_t node = number(lookup, "SLURM_NODEID", 0, kMaxRanks).value_or(0);
  if (const auto counts = lookup("SLURM_STEP_TASKS_PER_NODE"))
    environment.local_world_size = slurm_tasks_of_node(*counts, node);
  if (const auto nodes = lookup("SLURM_STEP_NODELIST")) environment.address = first_slurm_node(*nodes);
  constexpr std::int64_t kFirstPort = 20'000, kNumPorts = 30'000, kMaxNumber = 4'294'967'295;
  const std::int64_t job = number(lookup, "SLURM_JOB_ID", 0, kMaxNumber).value_or(0);
  const std::int64_t step = number(lookup, "SLURM_STEP_ID", 0, kMaxNumber).value_or(0);
  environment.port = static_cast<std::uint16_t>(kFirstPort + (job * 16 + step) % kNumPorts);
}

void take_open_mpi(const EnvironmentLookup& lookup, RankEnvironment& environment) {
  environment.launcher = "Open MPI";
  constexpr const char* kRank = "OMPI_COMM_WORLD_RANK";
  environment.world_size = required(lookup, "OMPI_COMM_WORLD_SIZE", 1, kMaxRanks, kRank);
  environment.rank = required(lookup, kRank, 0, kMaxRanks, "OMPI_COMM_WORLD_SIZE");
  environment.local_rank = required(lookup, "OMPI_COMM_WORLD_LOCAL_RANK", 0, kMaxRanks, kRank);
  environment.local_world_size = required(lookup, "OMPI_COMM_WORLD_LOCAL_SIZE", 1, kMaxRanks, kRank);
  if (environment.local_world_size < environment.world_size && !lookup("MASTER_ADDR"))
    throw_user_error(
        "mpirun runs ranks on several machines: set MASTER_ADDR to the name of the one with rank 0, mpirun -x "
        "MASTER_ADDR=HOST ...");
  // Two jobs on one machine need two ports.
  constexpr std::int64_t kFirstPort = 20'000, kNumPorts = 30'000, kMaxNumber = 4'294'967'295;
  const std::int64_t job = number(lookup, "OMPI_MCA_ess_base_jobid", 0, kMaxNumber).value_or(0);
  environment.port = static_cast<std::uint16_t>(kFirstPort + job / 65'536 % kNumPorts);
}

void require_consistent(const RankEnvironment& environment) {
  const auto require = [&](std::string_view what, std::int64_t rank, std::int64_t size) {
    if (rank < size) return;
    throw_user_error("{} says that this is {} {} of {}: ranks count from 0", environment.launcher, what, rank,
                     size);
  };
  require("rank", environment.rank, environment.world_size);
  require("local rank", environment.local_rank, environment.local_world_size);
}

}  // namespace

std::optional<std::string> environment_variable(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

RankEnvironment read_rank_environment(const EnvironmentLookup& lookup) {
  RankEnvironment environment;
  if (lookup("RANK") && lookup("WORLD_SIZE")) {
    take_torchrun(lookup, environment);
  } else if (lookup("SLURM_PROCID") && lookup("SLURM_STEP_NUM_TASKS")) {
    take_slurm(lookup, environment);
  } else if (lookup("OMPI_COMM_WORLD_RANK")) {
    take_open_mpi(lookup, environment);
  } else {
    return environment;
  }
  if (const auto address = lookup("MASTER_ADDR"); address && !address->empty())
    environment.address = *address;
  if (const auto port = number(lookup, "MASTER_PORT", 1, 65'535))
    environment.port = static_cast<std::uint16_t>(*port);
  for (const char* const name : {"CLOOB_RESTARTS", "TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"}) {
    if (environment.restarts == 0) environment.restarts = number(lookup, name, 0, 1'000'000).value_or(0);
  }
  require_consistent(environment);
  return environment;
}

std::string first_slurm_node(const std::string& list) {
  const std::size_t end = list.find_first_of(",[");
  if (end == std::string::npos || list[end] == ',') return list.substr(0, end);
  const std::size_t range_end = list.find_first_of(",-]", end + 1);
  return list.substr(0, end) +
         list.substr(end + 1, range_end == std::string::npos ? range_end : range_end - end - 1);
}

std::int64_t slurm_tasks_of_node(const std::string& counts, std::int64_t node) {
  std::int64_t first = 0;
  for (const std::string& part : split(counts, ',')) {  // "4(x2)" or "3"
    const std::size_t open = part.find("(x");
    const auto tasks = parse_integer(part.substr(0, open));
    const auto nodes = open == std::string::npos
                           ? std::optional<std::int64_t>(1)
                           : parse_integer(part.substr(open + 2, part.size() - open - 3));
    if (!tasks || !nodes || *tasks < 1 || *nodes < 1) break;
    if (node < first + *nodes) return *tasks;
    first += *nodes;
  }
  throw_user_error("Slurm's variable SLURM_STEP_TASKS_PER_NODE is '{}', which says nothing of node {}",
                   counts, node);
}

}  // namespace cloob

// Which rank of how many this process is, as its launcher says in environment variables.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace cloob {

struct RankEnvironment {
  std::int64_t rank = 0;
  std::int64_t world_size = 1;
  std::int64_t local_rank = 0;        ///< among the ranks of this machine
  std::int64_t local_world_size = 1;  ///< ranks of this machine
  std::string address = "127.0.0.1";  ///< of the store in which the ranks find each other
  std::uint16_t port = 29500;
  /// The launcher hosts the store, not rank 0; keys then need `store_prefix`.
  bool launcher_hosts_store = false;
  std::string store_prefix;
  std::int64_t restarts =
      0;  ///< how often the launcher has started this job again after a failure or a preemption
  std::string launcher;  ///< for messages: "torchrun", "Slurm" or "Open MPI"; empty for a single process
};

/// Value of an environment variable.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> environment_variable(const std::string& name);

/// Understands, in this order,
/// - torchrun and `cloob launch`: RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT;
/// - srun: SLURM_PROCID and the other variables of a step. The address is that of the step's first node and the port follows
///   from the numbers of job and step. In a batch script itself, without srun, the process is alone;
/// - mpirun of Open MPI: OMPI_COMM_WORLD_RANK and its siblings. Several machines need MASTER_ADDR.
///
/// MASTER_ADDR and MASTER_PORT win with every launcher. Without any of them: a single process. Throws UserError for values
/// that contradict each other.
RankEnvironment read_rank_environment(const EnvironmentLookup& lookup = environment_variable);

/// The first name of a list in Slurm's notation: "gpu[07-09,12],x" -> "gpu07".
std::string first_slurm_node(const std::string& list);
/// Tasks of node `node` in Slurm's notation: "4(x2),3" -> 4, 4, 3. Throws UserError.
std::int64_t slurm_tasks_of_node(const std::string& counts, std::int64_t node);

}  // namespace cloob

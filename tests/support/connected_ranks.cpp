#include "support/connected_ranks.h"

#include <ATen/Parallel.h>

#include <exception>
#include <thread>
#include <vector>

#include "cloob/distributed/launcher.h"

namespace cloob::testing {

RankEnvironment environment_of(std::int64_t rank, std::int64_t world_size, std::uint16_t port) {
  return {.rank = rank,
          .world_size = world_size,
          .local_rank = rank,
          .local_world_size = world_size,
          .address = "127.0.0.1",
          .port = port,
          .launcher_hosts_store = false,
          .store_prefix = "",
          .restarts = 0,
          .launcher = "torchrun"};
}

void run_connected_ranks(std::int64_t world_size, const std::function<void(Ranks& ranks)>& work) {
  const std::uint16_t port = free_port();
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(world_size));
  std::vector<std::thread> threads;
  for (std::int64_t rank = 0; rank < world_size; ++rank) {
    threads.emplace_back([&, rank] {
      at::set_num_threads(1);  // of this thread's work: the ranks share the processors
      try {
        Ranks ranks(environment_of(rank, world_size, port));
        work(ranks);
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace cloob::testing

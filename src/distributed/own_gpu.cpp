#include "distributed/own_gpu.h"

#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/distributed/ranks.h"

namespace cloob {
namespace {

constexpr const char* kVisible = "CUDA_VISIBLE_DEVICES";

// Without asking CUDA, which reads the variable only once.
std::int64_t gpus_of_machine() {
  std::error_code error;
  const std::filesystem::directory_iterator gpus("/proc/driver/nvidia/gpus", error);
  return error ? 0 : std::distance(begin(gpus), end(gpus));
}

}  // namespace

std::optional<std::string> own_gpu(const RankEnvironment& environment,
                                   const std::optional<std::string>& visible, std::int64_t num_gpus) {
  if (environment.local_world_size == 1) return std::nullopt;
  if (!visible) {
    if (environment.local_rank >= num_gpus) return std::nullopt;
    return std::to_string(environment.local_rank);
  }
  const std::vector<std::string> gpus = split(*visible, ',');
  if (gpus.size() == 1 || environment.local_rank >= std::ssize(gpus)) return std::nullopt;
  return gpus[static_cast<std::size_t>(environment.local_rank)];
}

void require_own_gpu(const RankEnvironment& environment, const std::optional<std::string>& visible) {
  if (environment.local_world_size == 1 || (visible && split(*visible, ',').size() == 1)) return;
  throw_user_error(
      "rank {} has no GPU of its own: this machine has fewer GPUs than its {} ranks: start one rank for each GPU, or set "
      "train.device to cpu",
      environment.rank, environment.local_world_size);
}

void see_own_gpu_only(const RankEnvironment& environment) {
  if (const auto gpu = own_gpu(environment, environment_variable(kVisible), gpus_of_machine()))
    ::setenv(kVisible, gpu->c_str(), 1);
}

}  // namespace cloob

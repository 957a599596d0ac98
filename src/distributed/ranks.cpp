#include "cloob/distributed/ranks.h"

#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/parallel.h"
#include "distributed/own_gpu.h"
#include "distributed/process_group.h"
#include "distributed/rank_group.h"

namespace cloob {

Ranks::Ranks(RankEnvironment environment) : environment_(std::move(environment)) {}
Ranks::~Ranks() = default;

const Collectives& Ranks::connect(c10::Device device, const RankTimeouts& timeouts,
                                  const std::string& agreement) {
  if (world_size() == 1) return single_;
  CLOOB_CHECK(!group_, "the ranks are connected already");
  if (!device.is_cpu() && !sends_gpu_tensors_through_host())
    require_own_gpu(environment_, environment_variable("CUDA_VISIBLE_DEVICES"));
  group_ = std::make_unique<RankGroup>(environment_, device, timeouts, agreement);
  return *group_;
}

std::int64_t Ranks::processors() const { return group_ ? group_->processors() : resolve_threads(0); }

const Collectives& Ranks::single(std::string_view command) const {
  if (world_size() == 1) return single_;
  throw_user_error("'cloob {}' runs in one process, but {} started {}: start it without", command,
                   environment_.launcher, world_size());
}

void Ranks::report_failure(const std::string& message) noexcept {
  if (group_) group_->report_failure(message);
}

}  // namespace cloob

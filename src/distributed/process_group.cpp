#include "distributed/process_group.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "cloob/base/error.h"
#include "distributed/local_address.h"
#include "distributed/nccl_backend.h"

namespace cloob {
namespace {

c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const RankEnvironment& environment) {
  const auto rank = static_cast<int>(environment.rank), size = static_cast<int>(environment.world_size);
  auto options = c10d::ProcessGroupGloo::Options::create(kNever);
  options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname(local_address(
      environment.address, environment.port, environment.local_world_size == environment.world_size))};
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
}

}  // namespace

c10::intrusive_ptr<c10d::ProcessGroup> make_process_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                          const std::string& name,
                                                          const RankEnvironment& environment,
                                                          c10::Device device) {
  const auto rank = static_cast<int>(environment.rank), size = static_cast<int>(environment.world_size);
  const auto own_store = c10::make_intrusive<c10d::PrefixStore>(name, store);
  auto group = c10::make_intrusive<c10d::ProcessGroup>(own_store, rank, size);
  using Type = c10d::ProcessGroup::BackendType;
  group->setBackend(c10::DeviceType::CPU, Type::GLOO, make_gloo_backend(own_store, environment));
  group->setDefaultBackend(Type::GLOO);
  if (!device.is_cpu())
    group->setBackend(
        device.type(), Type::NCCL,
        make_nccl_backend(c10::make_intrusive<c10d::PrefixStore>("nccl", own_store), environment));
  return group;
}

}  // namespace cloob

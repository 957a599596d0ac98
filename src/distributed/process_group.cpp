#include "distributed/process_group.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "cloob/base/error.h"
#include "cloob/base/first_line.h"
#include "distributed/local_address.h"
#include "distributed/nccl_backend.h"

namespace cloob {
namespace {

c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const RankEnvironment& environment,
                                                    std::chrono::seconds start_timeout) {
  const auto rank = static_cast<int>(environment.rank), size = static_cast<int>(environment.world_size);
  const std::string address = local_address(environment.address, environment.port,
                                            environment.local_world_size == environment.world_size);
  try {
    auto options = c10d::ProcessGroupGloo::Options::create(start_timeout);
    options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname(address)};
    auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
    gloo->setTimeout(kNever);
    return gloo;
  } catch (const std::exception& error) {
    throw_user_error(
        "rank {} cannot connect to the others from its address {} ({}): GLOO_SOCKET_IFNAME names the network interface to "
        "use, if this is not the one that leads to them",
        rank, address, first_line(error.what()));
  }
}

}  // namespace

bool sends_gpu_tensors_through_host() {
  constexpr const char* kName = "CLOOB_GPU_BACKEND";
  const std::string backend = environment_variable(kName).value_or("nccl");
  if (backend != "nccl" && backend != "gloo")
    throw_user_error("{} is '{}', must be nccl or gloo", kName, backend);
  return backend == "gloo";
}

c10::intrusive_ptr<c10d::ProcessGroup> make_process_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                          const std::string& name,
                                                          const RankEnvironment& environment,
                                                          c10::Device device,
                                                          std::chrono::seconds start_timeout) {
  const auto rank = static_cast<int>(environment.rank), size = static_cast<int>(environment.world_size);
  const auto own_store = c10::make_intrusive<c10d::PrefixStore>(name, store);
  auto group = c10::make_intrusive<c10d::ProcessGroup>(own_store, rank, size);
  using Type = c10d::ProcessGroup::BackendType;
  const auto gloo = make_gloo_backend(own_store, environment, start_timeout);
  group->setBackend(c10::DeviceType::CPU, Type::GLOO, gloo);
  group->setDefaultBackend(Type::GLOO);
  if (device.is_cpu()) return group;
  if (sends_gpu_tensors_through_host()) {
    group->setBackend(device.type(), Type::GLOO, gloo);
  } else {
    group->setBackend(
        device.type(), Type::NCCL,
        make_nccl_backend(c10::make_intrusive<c10d::PrefixStore>("nccl", own_store), environment));
  }
  return group;
}

}  // namespace cloob

// Memory of tensors on a GPU; on the CPU, of the process, because its allocator does not count.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace cloob {

/// Bytes allocated to tensors on a GPU; on the CPU, the resident memory of the process.
std::uint64_t memory_bytes(c10::Device device);

/// The peak of `memory_bytes` since the start of the process or the last `reset_peak_memory`.
std::uint64_t peak_memory_bytes(c10::Device device);

/// Sets the peak to the current value. No effect on the CPU if the kernel does not permit it.
void reset_peak_memory(c10::Device device);

}  // namespace cloob

#pragma once

#include <c10/core/Device.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"
#include "cloob/nn/autocast.h"

namespace cloob {

/// Where to compute. `auto_` is spelled `auto` in YAML (a keyword here).
enum class DeviceChoice { auto_, cpu, cuda };

template <>
struct EnumNames<DeviceChoice> {
  static constexpr std::array<std::pair<std::string_view, DeviceChoice>, 3> names{
      {{"auto", DeviceChoice::auto_}, {"cpu", DeviceChoice::cpu}, {"cuda", DeviceChoice::cuda}}};
};

/// The device to compute on; `auto` takes the GPU where there is one. Throws UserError when CUDA is asked for
/// and there is none.
c10::Device select_device(DeviceChoice choice);

/// Whether `choice` selects a GPU. One that is asked for and not there, as in a dry run, counts.
bool selects_gpu(DeviceChoice choice);

/// bf16 where the device that `choice` selects has instructions for it, otherwise fp32. A GPU that is asked
/// for and not there is taken to have them.
Precision default_precision(DeviceChoice choice);

/// Whether this CPU has instructions to multiply bf16 (AMX, AVX512-BF16); without them it is slower than
/// float32.
bool cpu_has_bf16_instructions();

/// Whether a GPU may use TF32 (10 bits after the point) for products and convolutions of float32, in this
/// process.
void allow_tf32(bool allowed);

/// The most bytes that tensors on a GPU have taken; on the CPU, the most that the process has.
std::uint64_t peak_memory_bytes(c10::Device device);

}  // namespace cloob

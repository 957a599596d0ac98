#pragma once

#include <c10/core/Device.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"
#include "cloob/device/autocast.h"

namespace cloob {

/// Where to compute. `auto_` is spelled `auto` in YAML, which is a keyword in C++.
enum class DeviceChoice { auto_, cpu, cuda };

template <>
struct EnumNames<DeviceChoice> {
  static constexpr std::array<std::pair<std::string_view, DeviceChoice>, 3> names{
      {{"auto", DeviceChoice::auto_}, {"cpu", DeviceChoice::cpu}, {"cuda", DeviceChoice::cuda}}};
};

/// The device to compute on; `auto` selects the GPU if there is one. Throws UserError if CUDA is requested
/// but not available.
c10::Device select_device(DeviceChoice choice);

/// Whether `choice` selects a GPU. An explicitly requested GPU counts even if it is absent, as in a dry run.
bool selects_gpu(DeviceChoice choice);

/// bf16 if the device that `choice` selects has instructions for it, otherwise fp32. An explicitly requested
/// GPU that is absent is assumed to have them.
Precision default_precision(DeviceChoice choice);

/// Whether this CPU has bf16 multiplication instructions (AMX, AVX512-BF16); without them bf16 is slower than
/// float32.
bool cpu_has_bf16_instructions();

/// Sets whether float32 matrix products and convolutions on a GPU may use TF32 (a 10-bit mantissa), for this
/// process.
void allow_tf32(bool allowed);

/// Intra-op CPU threads of this process. Wraps ATen/Parallel.h, which takes seconds to compile.
void set_num_threads(std::int64_t threads);
std::int64_t num_threads();

}  // namespace cloob

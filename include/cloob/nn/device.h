#pragma once

#include <c10/core/Device.h>

#include <array>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"

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

}  // namespace cloob

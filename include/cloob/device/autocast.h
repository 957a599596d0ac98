// The dtype in which matrix products and convolutions are computed.
#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

#include <array>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// `pure_bf16` computes like `bf16` but also stores the weight matrices in bf16; the others keep float32
/// weights.
enum class Precision { fp32, bf16, fp16, pure_bf16 };

template <>
struct EnumNames<Precision> {
  static constexpr std::array<std::pair<std::string_view, Precision>, 4> names{
      {{"fp32", Precision::fp32},
       {"bf16", Precision::bf16},
       {"fp16", Precision::fp16},
       {"pure_bf16", Precision::pure_bf16}}};
};

/// The autocast settings of this thread for one device type.
struct AutocastState {
  c10::DeviceType device_type;
  bool is_enabled;
  c10::ScalarType type;

  static AutocastState current(c10::DeviceType device_type);
};

/// Enables autocast on this thread for the lifetime of the object; `fp32` disables it.
///
/// Autocast's cache of cast weights is cleared when the outermost guard ends, so use one guard per training
/// step: after an optimizer step the cached weights would be stale. Run the backward pass outside the guard.
class Autocast {
 public:
  Autocast(c10::DeviceType device_type, Precision precision);
  explicit Autocast(const AutocastState& state);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  AutocastState before_;
};

}  // namespace cloob

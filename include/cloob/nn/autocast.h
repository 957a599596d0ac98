// The type that matrix products and convolutions compute in.
#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

#include <array>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// `pure_bf16` computes as bf16 does, on matrices that are stored in bf16 too; the others keep float32
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

/// What autocast does on this thread for one kind of device.
struct AutocastState {
  c10::DeviceType device_type;
  bool is_enabled;
  c10::ScalarType type;

  static AutocastState current(c10::DeviceType device_type);
};

/// Autocast for the lifetime of the object, on this thread: `fp32` switches it off.
///
/// The cast weights that autocast keeps are dropped when the outermost guard ends, so use one guard a
/// training step: after an optimiser step they would be stale. The backward pass belongs outside.
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

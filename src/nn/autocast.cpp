#include "cloob/nn/autocast.h"

#include <ATen/autocast_mode.h>

namespace cloob {

Autocast::Autocast(c10::DeviceType device_type, Precision precision)
    : device_type_(device_type),
      was_enabled_(at::autocast::is_autocast_enabled(device_type)),
      previous_type_(at::autocast::get_autocast_dtype(device_type)) {
  at::autocast::increment_nesting();
  at::autocast::set_autocast_enabled(device_type, precision != Precision::fp32);
  if (precision != Precision::fp32) {
    at::autocast::set_autocast_dtype(device_type, precision == Precision::bf16 ? at::kBFloat16 : at::kHalf);
  }
}

Autocast::~Autocast() {
  at::autocast::set_autocast_enabled(device_type_, was_enabled_);
  at::autocast::set_autocast_dtype(device_type_, previous_type_);
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

}  // namespace cloob

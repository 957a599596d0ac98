#include "cloob/device/autocast.h"

#include <ATen/autocast_mode.h>

namespace cloob {

namespace {

void set(const AutocastState& state) {
  at::autocast::set_autocast_enabled(state.device_type, state.is_enabled);
  at::autocast::set_autocast_dtype(state.device_type, state.type);
}

AutocastState state_for(c10::DeviceType device_type, Precision precision) {
  AutocastState state = AutocastState::current(device_type);
  state.is_enabled = precision != Precision::fp32;
  if (state.is_enabled) state.type = precision == Precision::fp16 ? at::kHalf : at::kBFloat16;
  return state;
}

}  // namespace

AutocastState AutocastState::current(c10::DeviceType device_type) {
  return {device_type, at::autocast::is_autocast_enabled(device_type),
          at::autocast::get_autocast_dtype(device_type)};
}

Autocast::Autocast(const AutocastState& state) : before_(AutocastState::current(state.device_type)) {
  at::autocast::increment_nesting();
  set(state);
}

Autocast::Autocast(c10::DeviceType device_type, Precision precision)
    : Autocast(state_for(device_type, precision)) {}

Autocast::~Autocast() {
  set(before_);
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

}  // namespace cloob

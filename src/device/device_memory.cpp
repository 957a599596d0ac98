#include "cloob/device/device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "cloob/base/memory.h"

namespace cloob {
namespace {

c10::DeviceIndex index_of(c10::Device device) {
  return device.has_index() ? device.index() : c10::DeviceIndex{0};
}

c10::CachingDeviceAllocator::Stat allocated_bytes(c10::Device device) {
  return c10::getDeviceAllocator(device.type())->getDeviceStats(index_of(device)).allocated_bytes[0];
}

}  // namespace

std::uint64_t memory_bytes(c10::Device device) {
  if (device.is_cpu()) return current_rss_bytes();
  return static_cast<std::uint64_t>(allocated_bytes(device).current);
}

std::uint64_t peak_memory_bytes(c10::Device device) {
  if (device.is_cpu()) return peak_rss_bytes();
  return static_cast<std::uint64_t>(allocated_bytes(device).peak);
}

void reset_peak_memory(c10::Device device) {
  if (device.is_cpu()) {
    reset_peak_rss();
  } else {
    c10::getDeviceAllocator(device.type())->resetPeakStats(index_of(device));
  }
}

}  // namespace cloob

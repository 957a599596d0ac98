#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstddef>
#include <span>

namespace cloob {

/// The bytes of a contiguous CPU tensor.
inline std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

/// Whether a boolean tensor contains only 0 and 1: using any other value is undefined behaviour. True for
/// every other type.
inline bool has_valid_bools(const at::Tensor& tensor) {
  const auto is_valid = [](std::byte byte) { return byte <= std::byte{1}; };
  return tensor.scalar_type() != at::kBool || std::ranges::all_of(bytes_of(tensor), is_valid);
}

}  // namespace cloob

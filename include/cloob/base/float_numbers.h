// Floating-point numbers of files, of any width, as fp32.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstddef>
#include <span>

namespace cloob {

/// Whether `read_numbers` reads them: fp16, bf16, fp32 and fp64.
bool is_readable_number(c10::ScalarType type);

/// Converts numbers of `type`, which begin at `bytes` with any alignment; numbers that are too large for fp32 become infinite.
void read_numbers(c10::ScalarType type, const std::byte* bytes, std::span<float> into);

}  // namespace cloob

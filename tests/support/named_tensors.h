#pragma once

#include "cloob/base/named_tensors.h"

namespace cloob::testing {

/// Expects the same names with the same values, bit for bit.
void expect_same_bits(const NamedTensors& actual, const NamedTensors& expected);

}  // namespace cloob::testing

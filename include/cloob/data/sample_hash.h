#pragma once

#include <cstdint>

#include "cloob/data/source.h"

namespace cloob {

/// Hash of keys, captions and images of up to 256 samples, evenly spread: other data differs in one of them, most likely. A stream is
/// not read.
std::uint64_t sample_hash(const Source& source);

}  // namespace cloob

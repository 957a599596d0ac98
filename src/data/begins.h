// Things of different sizes side by side, known by where each begins.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cloob {

/// Which of them `value` falls into: the last of the ascending `begins` that is not behind it, of several
/// equal ones the one that is not empty. Needs begins.front() <= value.
inline std::size_t find_begin(const std::vector<std::int64_t>& begins, std::int64_t value) {
  return static_cast<std::size_t>(std::upper_bound(begins.begin(), begins.end(), value) - begins.begin()) - 1;
}

}  // namespace cloob

// The three lengths of a run, of which one can be set.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace cloob {

inline constexpr std::array<std::string_view, 3> kRunLengths = {"train.epochs", "train.steps",
                                                                "train.samples"};

inline bool is_run_length(std::string_view setting) {
  return std::ranges::find(kRunLengths, setting) != kRunLengths.end();
}

}  // namespace cloob

// The stack machine that executes pickles, restricted to instructions that build data.
#pragma once

#include <string_view>

#include "checkpoint/pickle_builder.h"

namespace cloob {

/// Runs the program `pickle` and returns its result from the top of the stack. Throws UserError.
PickleValue run_pickle(std::string_view pickle, PickleBuilder& builder);

}  // namespace cloob

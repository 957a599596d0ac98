// The stack machine that a pickle is a program for, reduced to instructions that build data.
#pragma once

#include <string_view>

#include "checkpoint/pickle_builder.h"

namespace cloob {

/// Runs the program `pickle` and returns what it leaves on the stack. Throws UserError.
PickleValue run_pickle(std::string_view pickle, PickleBuilder& builder);

}  // namespace cloob

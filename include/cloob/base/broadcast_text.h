#pragma once

#include <string>

#include "cloob/base/collectives.h"

namespace cloob {

/// The text of rank 0, on every rank. A collective operation.
std::string broadcast_text(const Collectives& collectives, const std::string& text);

}  // namespace cloob

#pragma once

#include <string>

namespace cloob {

/// The name of this machine, or "localhost" if it has none.
std::string host_name();

}  // namespace cloob

#include <fmt/core.h>

#include "cloob/base/version.h"

int main() { fmt::print("cloob {}\n", cloob::kVersion); }

// How commands that run on several ranks begin.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

#include "cloob/distributed/ranks.h"

namespace CLI {
class App;
}

namespace cloob {

/// Ranks::connect, after which this rank uses `threads` threads, or its own processors if that is 0.
const Collectives& connect_ranks(Ranks& ranks, c10::Device device, const RankTimeouts& timeouts,
                                 const std::string& agreement, std::int64_t threads);

/// What has to be the same on all ranks of a command without settings: the version of the program, and the options that were
/// given, one on a line. Call after parsing.
std::string agreement_of(const CLI::App& command);

}  // namespace cloob

// The keys that ranks use in their store.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace cloob {

inline constexpr const char* kFailureKey =
    "cloob/failure";  ///< why the first rank failed, or what rank 0 found out
inline constexpr const char* kAgreementKey = "cloob/agreement";  ///< the settings of rank 0

/// The key of one rank: "cloob/beat/3".
inline std::string rank_key(std::string_view what, std::int64_t rank) {
  return fmt::format("cloob/{}/{}", what, rank);
}

}  // namespace cloob

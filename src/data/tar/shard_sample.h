#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/tar/tar_scanner.h"

namespace cloob {

/// Whether one of the suffixes ends in a dot and one of the wanted suffixes: "v2.jpg" in "jpg". The base name of the
/// member has a dot then.
bool ends_in_any(const std::vector<std::string>& suffixes, const std::vector<std::string>& wanted);

/// The members of one sample.
struct ShardSample {
  std::string key;
  std::map<std::string, std::vector<std::byte>> members;  ///< by suffix; only the wanted ones
  std::uint64_t bytes = 0;                                ///< of all wanted members
  std::vector<std::string> suffixes;                      ///< of all members, for messages

  /// Reads a member if its suffix is wanted. Throws BadSample if it, or
  /// all wanted members together, are too large.
  void add(TarScanner& scanner, const TarMember& member, const std::string& suffix,
           const std::vector<std::string>& wanted);
  /// Moves out the member whose suffix comes first in `wanted`; nullopt if there is none.
  std::optional<std::vector<std::byte>> take_first(const std::vector<std::string>& wanted);
  /// "'000000012' has .jpg .json".
  std::string describe_members() const;
};

}  // namespace cloob

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// What an index knows of an entry besides its features.
struct IndexEntry {
  std::string key = {};                    ///< of the sample: a file name, a name in a shard, ...
  std::string path = {};                   ///< of the image file; empty if it is not a file of its own
  std::vector<std::string> captions = {};  ///< may be empty
  std::string metadata = {};               ///< other information, a JSON object; may be empty
};

/// A key as an index has it: bytes that are not UTF-8 are replaced.
std::string as_stored(std::string_view key);

/// One line of JSON without its line break; bytes that are not UTF-8 are replaced.
std::string to_line(const IndexEntry& entry);
/// The inverse. Throws JsonError.
IndexEntry entry_from_line(const std::string& line);

}  // namespace cloob

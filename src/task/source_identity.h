// What tells the data for which a file was made from other data, without reading all of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "cloob/data/source.h"

namespace cloob {

/// The number of samples, with the keys of some of them or, since streams tell no keys before they are read, the names and
/// sizes of all shards. Where the files lie does not matter.
class SourceIdentity {
 public:
  explicit SourceIdentity(const Source& source);
  /// As `to_metadata` has written it. Throws UserError that names the file if something is missing.
  SourceIdentity(const std::map<std::string, std::string>& metadata, const std::filesystem::path& file);

  std::map<std::string, std::string> to_metadata() const;
  std::int64_t samples() const { return samples_; }

  /// What is different in `source`, which completes a sentence about the data: "has 5 samples instead of 6"; nullopt if
  /// nothing is.
  std::optional<std::string> difference_of(const Source& source) const;

 private:
  std::int64_t samples_ = 0;
  std::map<std::int64_t, std::string> keys_;  // by index; of a stream none
  std::string shards_;                        // a hash; of a table empty
};

}  // namespace cloob

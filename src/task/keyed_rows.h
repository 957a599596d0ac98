// Finds the row of each sample by its key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "cloob/base/tally.h"
#include "cloob/data/source.h"

namespace cloob {

struct KeyedRows {
  std::vector<std::int64_t> row_of_sample;  ///< -1: the sample's key cannot be read
  Tally unused;                             ///< rows of keys that no sample has
  Tally unreadable;                         ///< samples
};

/// Line k of the file `keys` is the key of row k. Throws UserError if there are not `rows` lines, if a sample has no row or
/// several, or if samples have the same key.
KeyedRows match_keys(const Source& source, const std::filesystem::path& keys, std::int64_t rows,
                     std::int64_t threads,
                     const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace cloob

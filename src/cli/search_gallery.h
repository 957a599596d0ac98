#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "cli/memory_effect.h"
#include "cloob/search/search_index.h"

namespace cloob {

/// What was searched for, as a person reads it, and the image if it is one.
struct ShownQuery {
  std::string text;            ///< "a dog on the beach", "dog.jpg"
  std::string thumbnail = {};  ///< a JPEG file; empty for a text
};

/// The thumbnail of an entry: from the index, or of its image file; a gray area if neither is at hand.
std::string thumbnail_of(const SearchIndex& index, std::int64_t row);

/// A memory that refined the query, and what it changed.
struct ShownEffect {
  const SearchIndex& memory;
  const MemoryEffect& effect;
};

/// Writes the results as one HTML page with everything in it. Throws UserError.
void write_gallery(const std::filesystem::path& file, const SearchIndex& index, const ShownQuery& query,
                   const SearchAnswer& answer, const std::string& summary,
                   const std::optional<ShownEffect>& shown_effect);

}  // namespace cloob

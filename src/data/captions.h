#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// Adds `caption` without the white space around it, unless nothing is left.
void add_caption(std::vector<std::string>& captions, std::string_view caption);

/// The captions in a text member: one as a whole, or one in each line.
std::vector<std::string> captions_in_text(std::span<const std::byte> text, bool one_per_line);

/// Captions, the heaviest first where they have weights; without weights as they stand.
struct WeightedCaptions {
  std::vector<std::string> captions;
  std::vector<double> weights;  ///< above 0; empty: all the same
};

/// The captions in a field of a JSON object: a string; a list of strings and of {"caption": text, "weight":
/// number}, where what has no weight has 1; or an object of caption: weight. Throws BadSample for anything
/// else.
WeightedCaptions captions_in_json(std::span<const std::byte> text, const std::string& field);

}  // namespace cloob

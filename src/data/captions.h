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

/// The captions in a field of a JSON object: a string or a list of strings. Throws BadSample for anything
/// else.
std::vector<std::string> captions_in_json(std::span<const std::byte> text, const std::string& field);

}  // namespace cloob

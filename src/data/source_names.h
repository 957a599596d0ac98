#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// "a{00..02}.tar" -> a00.tar a01.tar a02.tar; "{train,val}/x" -> train/x val/x; nested as in a shell. Braces
/// that are no such pattern stay as they are. Throws UserError beyond a million names.
std::vector<std::string> expand_braces(std::string_view pattern);

/// The sources in a list of names: each name is cut at every "::".
std::vector<std::string> split_sources(const std::vector<std::string>& names);

/// Expands braces, then globs (sorted by name), and checks that every file is there and named once.
std::vector<std::filesystem::path> expand_source_names(const std::vector<std::string>& names);

}  // namespace cloob

#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cloob {

/// Lets a command with a variadic positional argument take --data.section.key VALUE as well. Every setting
/// becomes a known option, so that VALUE is not parsed as a positional argument, and is hidden from --help.
/// The settings that were given are appended to `settings`, for `parse_overrides`. Call before parsing;
/// `settings` must outlive it.
void add_data_settings(CLI::App& command, std::vector<std::string>& settings);

/// Appends to `settings` the command-line arguments that are not options of `command`, such as settings that
/// do not exist. Call after parsing.
void take_unknown_settings(const CLI::App& command, std::vector<std::string>& settings);

}  // namespace cloob

#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cloob {

/// Lets a command whose positional argument takes any number of words take --data.section.key VALUE as well:
/// as options that are known, so that VALUE does not count as one of these words, and that --help leaves out.
/// They end up in `settings`, for `parse_overrides`. To be called before the command is parsed; `settings`
/// has to outlive that.
void add_data_settings(CLI::App& command, std::vector<std::string>& settings);

/// Adds to `settings` the words of the command line that are no option of `command`, such as settings that do
/// not exist. To be called when it has been parsed.
void take_unknown_settings(const CLI::App& command, std::vector<std::string>& settings);

}  // namespace cloob

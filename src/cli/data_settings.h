#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cloob/config/description.h"
#include "cloob/data/data_config.h"
#include "cloob/data/source.h"

namespace CLI {
class App;
}

namespace cloob {

/// Lets a command with a variadic positional argument take --data.section.key VALUE as well. Every setting
/// becomes a known option, so that VALUE is not parsed as a positional argument, and is hidden from --help.
/// The settings that were given are appended to `settings`, for `parse_overrides`. Call before parsing;
/// `settings` must outlive it.
void add_data_settings(CLI::App& command, std::vector<std::string>& settings);
/// The same for the settings of another section, without the footer.
void add_settings_of(CLI::App& command, const std::string& section, const Description& description,
                     std::vector<std::string>& settings);

/// Appends to `settings` the command-line arguments that are not options of `command`, such as settings that
/// do not exist. Call after parsing.
void take_unknown_settings(const CLI::App& command, std::vector<std::string>& settings);

/// Packed shards keep all captions in the .json beside the text member, which is read unless it is told otherwise. Looks at
/// a few samples: the largest number of captions of which only one is used, or 0.
std::int64_t unused_captions(DataConfig data, const Source& source);
/// What to do if there are.
std::string advice_on_unused(std::int64_t captions);

}  // namespace cloob

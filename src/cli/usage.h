// Errors on the command line that are found before a command runs.
#pragma once

#include <string>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace cloob {

/// Makes every option of `app` and its subcommands reject an empty value: a shell variable that is empty must
/// not act like an option that was not given.
void reject_empty_values(CLI::App& app);

/// Throws UserError for what `command` took for a setting, but is like one of its options: "--class-names".
void reject_misspelled_options(const CLI::App& command);

/// Says in one line why `app` could not parse the command line, and what is allowed.
std::string describe_usage_error(const CLI::App& app, const CLI::ParseError& error);

}  // namespace cloob

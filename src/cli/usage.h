// Mistakes on the command line that are found before a command runs.
#pragma once

#include <string>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace cloob {

/// Makes every option of `app` and its subcommands refuse an empty text: a variable that a script left empty
/// must not count as an option that was not given.
void refuse_void_values(CLI::App& app);

/// One line on what is wrong with the command line that `app` could not parse, and what is allowed.
std::string describe_usage_error(const CLI::App& app, const CLI::ParseError& error);

}  // namespace cloob

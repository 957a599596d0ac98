// Where commands write to.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cloob {

/// Checks, before work that takes long, that `output` can be written and is nothing that would be missed.
/// Throws UserError where the folder is missing, and where the output is one of `inputs`, a file of a
/// checkpoint or one that training keeps in its run folder. `inputs` is what the command reads: paths and
/// patterns of shards; empty texts count for nothing. "-" is standard output and always fine.
void require_output(const std::string& output, const std::vector<std::string>& inputs);

/// Adds the option --json of commands that measure or evaluate.
void add_json_option(CLI::App& command, std::string& json);

/// Writes one line of JSON to a file, or to standard output where `output` is "-".
void write_json_line(const std::string& output, const std::string& json);

}  // namespace cloob

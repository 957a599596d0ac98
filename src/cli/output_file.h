// Output files of commands.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cloob {

/// What a command writes.
enum class OutputKind { json, html, png, svg, safetensors, sentencepiece, suite_csv };

/// Checks, before any long work, that `output` can be written and would not overwrite anything of value.
/// Throws UserError if the folder is missing; if the output is one of `inputs`, inside a checkpoint or a file that
/// training keeps in its run folder; or if it exists and is not a file of this kind, as an image of a table that the
/// command reads. `inputs` are the paths and shard patterns that the command reads; empty ones are ignored. "-" is
/// standard output and always allowed, like no output at all.
void require_output(const std::string& output, OutputKind kind, const std::vector<std::string>& inputs);

/// The inputs of a command that reads such sources: themselves, and the files beside them that are read with them.
std::vector<std::string> inputs_of_sources(const std::vector<std::string>& names);

/// Adds the option --json, for commands that measure or evaluate.
void add_json_option(CLI::App& command, std::string& json);

/// Writes one line of JSON to a file, or to standard output if `output` is "-".
void write_json_line(const std::string& output, const std::string& json);

/// The same for --json, which may be empty: then the result, a JSON object, is printed as a table for people: a line for
/// each number or text, or a row for each object in it. Lists are for programs only.
void write_result(const std::string& output, const std::string& json);

}  // namespace cloob

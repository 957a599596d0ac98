// cloob weights import|export|inspect

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/output_file.h"
#include "cloob/base/log.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/inspect.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/config/config.h"
#include "cloob/run/import_model.h"

namespace cloob {
namespace {

struct WeightsArguments {
  std::string input;
  std::string out;
  std::optional<Activation> activation;
};

int import(const WeightsArguments& arguments) {
  require_new_checkpoint(arguments.out);
  const ImportedModel imported = import_model(arguments.input, arguments.activation);
  Checkpoint checkpoint;
  checkpoint.weights = imported.weights;
  checkpoint.weights_metadata = weights_metadata(imported.config);
  checkpoint.config_yaml = print_config(imported.config);
  write_checkpoint(arguments.out, checkpoint);
  log_info("weights", "{} tensors written to the checkpoint {}", imported.weights.size(), arguments.out);
  return 0;
}

int export_weights(const WeightsArguments& arguments) {
  require_output(arguments.out, {arguments.input});
  const CheckpointLocation location = resolve_checkpoint(arguments.input);
  const ImportedModel model = location.kind == CheckpointLocation::Kind::checkpoint
                                  ? read_checkpoint_model(location.path)
                                  : import_model(location.path, std::nullopt);
  write_safetensors(arguments.out, model.weights, weights_metadata(model.config));
  log_info("weights", "{} tensors written to {}", model.weights.size(), arguments.out);
  if (model.config.text.tokenizer == TokenizerKind::sentencepiece) {
    log_warning("weights", "the file does not contain the tokenizer: keep '{}' with it",
                model.config.text.model_file);
  }
  return 0;
}

int inspect(const WeightsArguments& arguments) {
  if (arguments.out.empty()) {
    fmt::print("{}", inspect_as_text(arguments.input));
  } else {
    require_output(arguments.out, {arguments.input});
    write_json_line(arguments.out, inspect_as_json(arguments.input));
  }
  return 0;
}

}  // namespace

void add_weights_commands(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand("weights", "Import, export and inspect weights");
  group->require_subcommand(1);

  const auto arguments = std::make_shared<WeightsArguments>();
  CLI::App* const importing = group->add_subcommand(
      "import", "Convert a weights file of open_clip, OpenAI or CLOOB into a checkpoint");
  importing->add_option("file", arguments->input, "safetensors, .pt, .pth or .bin")->required();
  importing->add_option("--out", arguments->out, "Checkpoint folder to write")->required();
  add_enum_option<Activation>(*importing, "--activation", arguments->activation,
                              "Default: quick_gelu for OpenAI and CLOOB files, gelu for others");
  importing->callback([arguments, &action] { action = [arguments] { return import(*arguments); }; });

  CLI::App* const exporting =
      group->add_subcommand("export", "Write the weights as safetensors that open_clip loads");
  exporting->add_option("checkpoint", arguments->input, "Checkpoint folder, run folder or weights file")
      ->required();
  exporting->add_option("--out", arguments->out, "safetensors file to write")->required();
  exporting->callback([arguments, &action] { action = [arguments] { return export_weights(*arguments); }; });

  CLI::App* const inspecting =
      group->add_subcommand("inspect", "Show what a checkpoint or weights file contains");
  inspecting->add_option("path", arguments->input, "Checkpoint folder, run folder or weights file")
      ->required();
  inspecting->add_option("--json", arguments->out,
                         "Write JSON to this file instead of printing text; - is standard output");
  inspecting->callback([arguments, &action] { action = [arguments] { return inspect(*arguments); }; });
}

}  // namespace cloob

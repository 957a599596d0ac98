// cloob weights import|export|inspect

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/output_file.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/inspect.h"
#include "cloob/config/config.h"
#include "cloob/run/export_model.h"
#include "cloob/run/import_model.h"
#include "cloob/run/model_file.h"
#include "cloob/text/tokenizer.h"

namespace cloob {
namespace {

struct WeightsArguments {
  std::string input;
  std::string out;
  std::optional<Activation> activation;
  std::string tokenizer;
  std::optional<ExportFormat> format;
};

void require_known_tokenizer(const ImportedModel& imported, const WeightsArguments& arguments) {
  if (imported.has_tokenizer) return;
  throw_user_error(
      "'{}' does not contain the tokenizer that it was trained with: give it with --tokenizer FILE",
      arguments.input);
}

// A tokenizer that the user gave has to fit the weights.
void require_fitting_tokenizer(const RunConfig& config, const std::string& file) {
  const std::int64_t tokens = make_tokenizer(config.text)->vocab_size(), rows = config.model.text.vocab_size;
  if (tokens > rows)
    throw_user_error("'{}' has {} tokens, more than the {} of the weights", file, tokens, rows);
}

int import(const WeightsArguments& arguments) {
  require_new_checkpoint(arguments.out);
  const CheckpointLocation location = resolve_checkpoint(arguments.input);
  if (location.kind == CheckpointLocation::Kind::checkpoint)
    throw_user_error("'{}' is a checkpoint already: every command takes it as it is", arguments.input);
  const ImportedModel imported =
      import_model(location.path, {.activation = arguments.activation, .tokenizer = arguments.tokenizer});
  require_known_tokenizer(imported, arguments);
  if (!arguments.tokenizer.empty()) require_fitting_tokenizer(imported.config, arguments.tokenizer);
  Checkpoint checkpoint;
  checkpoint.weights = imported.weights;
  checkpoint.weights_metadata = weights_metadata(imported.config);
  checkpoint.config_yaml = print_config(imported.config);
  if (!imported.config.text.model_file.empty())
    checkpoint.tokenizer_model = read_file(imported.config.text.model_file);
  write_checkpoint(arguments.out, checkpoint);
  log_info("weights", "{} tensors written to the checkpoint {}", imported.weights.size(), arguments.out);
  return 0;
}

// A single file for open_clip, or a folder for one of the formats. Files of other formats than safetensors are not
// written, whatever they are called.
bool is_single_file(const WeightsArguments& arguments) {
  const std::filesystem::path out = arguments.out;
  const std::string extension = to_lower_ascii(out.extension().string());
  for (const char* const other : {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".h5", ".onnx"}) {
    if (extension == other)
      throw_user_error(
          "'{}': weights are written as safetensors: name a file that ends in .safetensors, or a folder",
          arguments.out);
  }
  std::error_code ignored;
  const bool is_other_file =
      std::filesystem::exists(out, ignored) && !std::filesystem::is_directory(out, ignored);
  const bool is_file = extension == ".safetensors" || is_other_file;
  if (is_file && arguments.format == ExportFormat::hf)
    throw_user_error("'{}': --format hf writes a folder with several files: name one", arguments.out);
  return is_file;
}

int export_weights(const WeightsArguments& arguments) {
  const bool is_file = is_single_file(arguments);
  if (is_file) {
    require_output(arguments.out, OutputKind::safetensors, {arguments.input});
  } else {
    require_new_or_empty(arguments.out);
  }
  const CheckpointLocation location = resolve_checkpoint(arguments.input);
  const ImportedModel model = location.kind == CheckpointLocation::Kind::checkpoint
                                  ? read_checkpoint_model(location.path)
                                  : import_model(location.path, {});
  if (is_file) {
    if (const auto lacking = what_open_clip_lacks(model.config.model)) {
      log_warning("weights", "only this program can read the output: open_clip cannot have {}", *lacking);
    } else if (!is_model_of_open_clip(model.config.model)) {
      log_warning("weights",
                  "open_clip has no model of these sizes by name: with --out FOLDER it also gets the "
                  "open_clip_config.json that it needs");
    }
    if (model.weights.contains("logit_bias"))
      log_warning("weights",
                  "open_clip reads this file only into a model that has a logit_bias, too: "
                  "create_model(..., init_logit_bias=-10)");
    export_file(model, arguments.out);
  } else {
    export_folder(model, arguments.format.value_or(ExportFormat::open_clip), arguments.out);
  }
  log_info("weights", "{} tensors written to {}", model.weights.size(), arguments.out);
  if (model.config.task.kind == TaskKind::reco) {
    log_warning(
        "weights",
        "these are the towers of '{}' alone, as train.initial_weights had them: the fusion that was trained with a "
        "memory (task.kind reco) is in its checkpoints only, and no other program reads it",
        arguments.input);
  }
  if (!model.has_tokenizer || model.config.text.tokenizer == TokenizerKind::sentencepiece) {
    log_warning("weights", "the output does not contain the tokenizer: keep '{}' with it",
                model.config.text.model_file.empty() ? "its file" : model.config.text.model_file);
  }
  return 0;
}

int inspect(const WeightsArguments& arguments) {
  if (arguments.out.empty()) {
    fmt::print("{}", inspect_as_text(arguments.input));
  } else {
    require_output(arguments.out, OutputKind::json, {arguments.input});
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
      "import",
      "Convert weights of open_clip, OpenAI, CLOOB, Hugging Face, SLIP or ProtoCLIP into a checkpoint");
  importing
      ->add_option("file", arguments->input, "safetensors, .pt, .pth or .bin, or a folder with such a file")
      ->required();
  importing->add_option("--out", arguments->out, "Checkpoint folder to write")->required();
  add_enum_option<Activation>(
      *importing, "--activation", arguments->activation,
      "Default: gelu for files of open_clip, quick_gelu for others (of SLIP in the text "
      "tower, the image tower keeps gelu)");
  importing->add_option(
      "--tokenizer", arguments->tokenizer,
      "The tokenizer, if it is not CLIP's: a sentencepiece model, or gzipped byte-pair merges");
  importing->callback([arguments, &action] { action = [arguments] { return import(*arguments); }; });

  CLI::App* const exporting =
      group->add_subcommand("export", "Write the weights for open_clip or Hugging Face's transformers");
  exporting->add_option("checkpoint", arguments->input, "Checkpoint folder, run folder or weights file")
      ->required();
  exporting
      ->add_option(
          "--out", arguments->out,
          "A name that ends in .safetensors is a file with the weights, for open_clip; any other name is a new folder "
          "with all files that the format needs")
      ->required();
  add_enum_option<ExportFormat>(*exporting, "--format", arguments->format, "Default: open_clip");
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

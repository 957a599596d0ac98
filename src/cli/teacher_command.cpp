// cloob teacher build

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/data_settings.h"
#include "cli/model_arguments.h"
#include "cli/output_file.h"
#include "cli/usage.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/source.h"
#include "cloob/report/progress.h"
#include "cloob/task/build_teacher.h"

namespace cloob {
namespace {

struct TeacherArguments {
  DataArguments source;
  std::string features;
  std::string keys;
  std::string out;
  TeacherOptions options;
};

void report(const TeacherSummary& summary, const std::string& out) {
  if (summary.without_features.count > 0) {
    log_warning("teacher", "{} cannot be read and {} no features; for example {}",
                counted(summary.without_features.count, "sample"),
                summary.without_features.count == 1 ? "has" : "have",
                join(summary.without_features.examples, "; "));
  }
  if (summary.unused_rows.count > 0) {
    log_warning(
        "teacher", "{} not used, because no sample of the data has {}; for example {}",
        summary.unused_rows.count == 1 ? "1 row is" : with_thousands(summary.unused_rows.count) + " rows are",
        summary.unused_rows.count == 1 ? "its key" : "their keys", join(summary.unused_rows.examples, ", "));
  }
  const std::string kept =
      summary.dims == summary.input_dims && summary.explained_variance == 1
          ? ""
          : fmt::format(", which keep {:.1f} % of the variance of {}", 100 * summary.explained_variance,
                        counted(summary.input_dims, "number"));
  log_info("teacher", "{}: features of {}, {} each{}", out, counted(summary.samples, "sample"),
           counted(summary.dims, "number"), kept);
}

int build(const TeacherArguments& arguments) {
  std::vector<std::string> inputs = inputs_of_sources(arguments.source.names);
  inputs.insert(inputs.end(), {arguments.features, arguments.keys});
  require_output(arguments.out, OutputKind::safetensors, inputs);
  const DataConfig data = read_data_settings(arguments.source);
  ProgressDisplay display(ProgressStyle::auto_, /*every_steps=*/100'000);
  const auto source =
      make_source(data, arguments.source.names, Purpose::training, display.counter("index", "shard"));
  TeacherOptions options = arguments.options;
  options.features = arguments.features;
  options.keys = arguments.keys;
  options.threads = data.threads;
  options.match_progress = display.counter("keys", "sample");
  options.write_progress = display.counter("write", "row");
  const TeacherSummary summary = build_teacher(*source, options, arguments.out);
  display.finish();
  report(summary, arguments.out);
  return 0;
}

}  // namespace

void add_teacher_commands(CLI::App& app, Action& action, const std::string& command_line) {
  CLI::App* const group =
      app.add_subcommand("teacher", "Features of another model that training clusters by (ProtoCLIP)");
  group->require_subcommand(1);
  CLI::App* const command =
      group->add_subcommand("build", "Make the file of a teacher from features of the training data");
  const auto arguments = std::make_shared<TeacherArguments>();
  arguments->options.command = command_line;
  command
      ->add_option("--features", arguments->features,
                   "Matrix with a row for each sample: .npy or safetensors, fp16, fp32 or fp64")
      ->required();
  command->add_option("--tensor", arguments->options.tensor,
                      "Tensor of the safetensors file; default: 'features', or the only one");
  command->add_option(
      "--keys", arguments->keys,
      "Text file whose line k is the name of the sample that row k belongs to, as 'cloob data list' "
      "prints it; default: rows are in the order of the samples");
  command->add_option("--data", arguments->source.names, "Tables or tar shards, as for data.train")
      ->required();
  command->add_option("--image-root", arguments->source.image_root,
                      "Folder that image paths in a table are relative to");
  command->add_option("--dim", arguments->options.dims, "Numbers that PCA leaves of a row; 0: no PCA")
      ->capture_default_str()
      ->check(CLI::Range(0, 65'536));
  command->add_option("--out", arguments->out, "Safetensors file to write")->required();
  command->add_option("--threads", arguments->source.threads, "Threads that read; 0 uses all processors")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  add_data_settings(*command, arguments->source.settings);
  command->callback([command, arguments, &action] {
    take_unknown_settings(*command, arguments->source.settings);
    action = [command, arguments] {
      reject_misspelled_options(*command);
      return build(*arguments);
    };
  });
}

}  // namespace cloob

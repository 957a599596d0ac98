// cloob data inspect

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "cli/commands.h"
#include "cli/data_settings.h"
#include "cli/inspection_report.h"
#include "cli/model_arguments.h"
#include "cli/output_file.h"
#include "cli/usage.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/shell_word.h"
#include "cloob/data/bad_samples.h"
#include "cloob/report/html_report.h"
#include "cloob/report/progress.h"
#include "cloob/run/model_file.h"

namespace cloob {
namespace {

struct InspectArguments {
  DataArguments source;
  std::int64_t limit = InspectOptions().limit;
  std::string model;
  std::optional<std::int64_t> image_size;
  std::string html;
  std::string json;
};

bool is_same_place(const std::string& a, const std::string& b) {
  std::error_code ignored;
  // Of a relative path whose first part is missing, weakly_canonical would return a relative one.
  const auto place = [&](const std::string& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path), ignored);
  };
  return !b.empty() && b != "-" && place(a) == place(b);
}

void require_outputs(const InspectArguments& arguments) {
  if (arguments.html == "-") throw_user_error("--html needs a file: only --json can go to standard output");
  if (!arguments.html.empty() && is_same_place(arguments.html, arguments.json)) {
    throw_user_error("--html and --json both name '{}'", arguments.html);
  }
  const std::vector<std::string> inputs = inputs_of_sources(arguments.source.names);
  if (!arguments.html.empty()) require_output(arguments.html, OutputKind::html, inputs);
  if (!arguments.json.empty()) require_output(arguments.json, OutputKind::json, inputs);
}

void advise_to_pack(const std::string& name) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(name, ignored)) return;
  const std::string folder = (std::filesystem::path(name) / "").parent_path().string();
  log_info("data", "training reads shards or tables: 'cloob data pack {} --out {}' writes shards",
           shell_word(folder), shell_word(folder + "-shards"));
}

int inspect_data(const InspectArguments& arguments) {
  require_outputs(arguments);
  const DataConfig data = read_data_settings(arguments.source);
  ProgressDisplay display(ProgressStyle::auto_);
  const auto source = open_to_inspect(data, data.val, display.counter("index", "shard"));
  const ModelConfig model =
      arguments.model.empty() ? ModelConfig() : read_model_file(find_model_file(arguments.model));
  InspectionReport report{.source = arguments.source.names,
                          .options = {.limit = arguments.limit,
                                      .threads = data.threads,
                                      .image_size = arguments.image_size.value_or(model.image.image_size),
                                      .max_image_pixels = data.max_image_pixels,
                                      .context_length = model.text.context_length,
                                      .tokenizer = make_tokenizer(TextConfig())},
                          .max_bad_share = data.max_bad_share,
                          .found = {},
                          .unused_captions = 0};
  report.found = inspect_source(*source, report.options, display.counter("inspect", "sample"));
  report.unused_captions = unused_captions(data, *source);
  display.finish();
  if (!arguments.html.empty()) {
    write_html_report(arguments.html, inspection_page(report, *source));
    log_info("data", "{} written", arguments.html);
  }
  if (!arguments.json.empty()) write_json_line(arguments.json, inspection_json(report));
  if (arguments.json != "-") print_inspection(report);
  advise_to_pack(data.val.front());
  return 0;
}

}  // namespace

void add_data_inspect_command(CLI::App& group, Action& action) {
  CLI::App* const command = group.add_subcommand(
      "inspect", "Report what a source contains: counts, lengths, sizes, unusable and suspicious samples");
  const auto arguments = std::make_shared<InspectArguments>();
  command
      ->add_option("source", arguments->source.names,
                   "Tables, tar shards, or folders of images with their captions")
      ->required();
  command->add_option("--limit", arguments->limit, "Samples to inspect, spread over the source; 0 means all")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000'000'000}));
  command->add_option("--threads", arguments->source.threads, "Threads; 0 means one per processor")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command->add_option(
      "--model", arguments->model,
      "Name of a file in configs/model, or a YAML file: longer captions and smaller images than its "
      "are reported (default: 77 tokens, 224 pixels)");
  command
      ->add_option("--image-size", arguments->image_size,
                   "Training image side in pixels; smaller images are reported")
      ->check(CLI::Range(1, 4096));
  command->add_option("--image-root", arguments->source.image_root,
                      "Folder that image paths in a table are relative to");
  command->add_option("--html", arguments->html, "HTML page to write, with images and histograms");
  command->add_option("--json", arguments->json,
                      "File for all numbers as JSON; - is standard output, instead of the text");
  add_data_settings(*command, arguments->source.settings);
  command->callback([command, arguments, &action] {
    take_unknown_settings(*command, arguments->source.settings);
    action = [command, arguments] {
      reject_misspelled_options(*command);
      return inspect_data(*arguments);
    };
  });
}

}  // namespace cloob

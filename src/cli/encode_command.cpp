// cloob encode

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/data/source.h"

namespace cloob {
namespace {

struct EncodeArguments {
  ModelArguments model;
  std::string images;
  std::string texts;
  std::string out;
};

// Every line counts, an empty one too: row k of the output belongs to line k.
std::vector<std::string> all_lines(const std::string& file) {
  std::vector<std::string> lines = split(read_file(file), '\n');
  if (lines.back().empty()) lines.pop_back();
  for (std::string& line : lines) {
    if (line.ends_with('\r')) line.pop_back();
  }
  if (lines.empty()) throw_user_error("'{}' is empty", file);
  return lines;
}

int encode(const EncodeArguments& arguments) {
  if (arguments.images.empty() && arguments.texts.empty()) {
    throw_user_error("there is nothing to encode: give --images, --texts or both");
  }
  require_output_folder(arguments.out);
  OpenedModel opened = open_model(arguments.model, "encode");
  // Row k belongs to line k, so not a single image may be left out.
  opened.options.data.max_bad_share = 0;
  NamedTensors features;
  if (!arguments.images.empty()) {
    const std::vector<std::string> paths = all_lines(arguments.images);
    const auto source = make_image_file_source({paths.begin(), paths.end()});
    features["image_features"] = opened.encoder.encode_images(source, opened.options).features_ND;
  }
  if (!arguments.texts.empty()) {
    features["text_features"] = opened.encoder.encode_texts(all_lines(arguments.texts), opened.options);
  }
  opened.display->finish();
  write_safetensors(arguments.out, features, {});
  for (const auto& [name, tensor] : features) {
    log_info("encode", "{}: {} rows of {} numbers", name, with_thousands(tensor.size(0)), tensor.size(1));
  }
  return 0;
}

}  // namespace

void add_encode_command(CLI::App& app, Action& action) {
  CLI::App* const command = app.add_subcommand("encode", "Write the features of images and texts to a file");
  const auto arguments = std::make_shared<EncodeArguments>();
  add_model_arguments(*command, arguments->model);
  command->add_option("--images", arguments->images, "File that lists image files, one a line");
  command->add_option("--texts", arguments->texts, "File of texts, one a line");
  command
      ->add_option("--out", arguments->out,
                   "safetensors file to write: image_features, text_features (float32 rows of length 1)")
      ->required();
  command->callback([arguments, &action] { action = [arguments] { return encode(*arguments); }; });
}

}  // namespace cloob

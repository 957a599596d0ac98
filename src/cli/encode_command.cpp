// cloob encode

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/model_arguments.h"
#include "cli/output_file.h"
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

void require_output_of(const EncodeArguments& arguments, const std::vector<std::string>& images) {
  std::vector<std::string> inputs = images;
  inputs.insert(inputs.end(), {arguments.images, arguments.texts, arguments.model.checkpoint});
  require_output(arguments.out, inputs);
}

// Row k belongs to line k, so not a single image may be left out.
at::Tensor encode_every_image(const OpenedModel& opened, const std::vector<std::string>& images,
                              const std::string& list) {
  EncodeOptions options = opened.options;
  options.data.max_bad_share = 1;
  const ImageFeatures encoded =
      opened.encoder.encode_images(make_image_file_source({images.begin(), images.end()}), options);
  if (encoded.indices.size() == images.size()) return encoded.features_ND;
  std::size_t first = 0;
  while (first < encoded.indices.size() && encoded.indices[first] == static_cast<std::int64_t>(first))
    ++first;
  throw_user_error(
      "{}:{}: the image '{}' is unusable, as are {} of {} in all: mend them or take them out of the list, "
      "row k of "
      "the output belongs to line k",
      list, first + 1, images[first], images.size() - encoded.indices.size(), images.size());
}

int encode(const EncodeArguments& arguments) {
  if (arguments.images.empty() && arguments.texts.empty()) {
    throw_user_error("there is nothing to encode: give --images, --texts or both");
  }
  const auto images = arguments.images.empty() ? std::vector<std::string>() : all_lines(arguments.images);
  const auto texts = arguments.texts.empty() ? std::vector<std::string>() : all_lines(arguments.texts);
  require_output_of(arguments, images);
  const OpenedModel opened = open_model(arguments.model, "encode");
  NamedTensors features;
  if (!images.empty()) features["image_features"] = encode_every_image(opened, images, arguments.images);
  if (!texts.empty()) features["text_features"] = opened.encoder.encode_texts(texts, opened.options);
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

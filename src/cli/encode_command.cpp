// cloob encode

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/model_arguments.h"
#include "cli/output_file.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/data/image_files.h"
#include "cloob/data/source.h"
#include "cloob/data/source_names.h"
#include "cloob/image/decode.h"

namespace cloob {
namespace {

struct EncodeArguments {
  ModelArguments model;
  std::string images;
  std::string texts;
  std::string out;
  FeatureStage features = FeatureStage::unit;  // of images
};

// A single image is easily given in place of the list.
bool is_image(const std::string& file) {
  constexpr std::uint64_t kMaxBytes = 1 << 12;  // tells the format
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return false;  // a pipe can be read only once
  const RandomAccessFile opened(file);
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::min(opened.size(), kMaxBytes)));
  opened.read(0, bytes);
  if (std::ranges::find(bytes, std::byte{0}) == bytes.end()) return false;  // text, such as "BMW/1.jpg"
  try {
    image_format_of(bytes);
    return true;
  } catch (const DecodeError& failure) {
    return failure.kind() != DecodeErrorKind::not_an_image;
  }
}

// Includes empty lines: row k of the output belongs to line k.
std::vector<std::string> read_all_lines(const std::string& file, std::string_view what) {
  if (is_image(file)) throw_user_error("'{}' is an image: give a text file with {} per line", file, what);
  if (format_by_name(file) == DataFormat::csv)
    throw_user_error("'{}' is a table: give a text file with {} per line", file, what);
  std::vector<std::string> lines = read_lines(file);
  if (lines.empty()) throw_user_error("'{}' is empty", file);
  return lines;
}

void require_output_of(const EncodeArguments& arguments, const std::vector<std::string>& images) {
  std::vector<std::string> inputs = images;
  inputs.insert(inputs.end(), {arguments.images, arguments.texts, arguments.model.checkpoint});
  require_output(arguments.out, OutputKind::safetensors, inputs);
}

// Row k belongs to line k, so no image may be skipped.
at::Tensor encode_every_image(const OpenedModel& opened, const std::vector<std::string>& images,
                              const EncodeArguments& arguments) {
  EncodeOptions options = opened.options;
  options.more_stages = {arguments.features};
  options.data.max_bad_share = 1;
  const ImageFeatures encoded =
      opened.encoder.encode_images(make_image_file_source({images.begin(), images.end()}), options);
  if (encoded.indices.size() == images.size()) return encoded.features.at(arguments.features);
  std::size_t first = 0;
  while (first < encoded.indices.size() && encoded.indices[first] == static_cast<std::int64_t>(first))
    ++first;
  throw_user_error(
      "{}:{}: the image '{}' is unusable ({} of {} are): fix them or remove them from the list, because row "
      "k of the output belongs to line k",
      arguments.images, first + 1, images[first], images.size() - encoded.indices.size(), images.size());
}

int encode(const EncodeArguments& arguments, Ranks& ranks) {
  if (arguments.images.empty() && arguments.texts.empty()) {
    throw_user_error("nothing to encode: give --images, --texts or both");
  }
  const auto images = arguments.images.empty() ? std::vector<std::string>()
                                               : read_all_lines(arguments.images, "the path of one image");
  const auto texts =
      arguments.texts.empty() ? std::vector<std::string>() : read_all_lines(arguments.texts, "one text");
  require_output_of(arguments, images);
  const OpenedModel opened = open_model(arguments.model, "encode", ranks.single("encode"));
  if (!texts.empty()) opened.encoder.require_texts();
  NamedTensors features;
  if (!images.empty()) features["image_features"] = encode_every_image(opened, images, arguments);
  if (!texts.empty()) features["text_features"] = opened.encoder.encode_texts(texts, opened.options);
  opened.display->finish();
  for (const auto& [name, tensor] : features)
    require_finite_features(tensor, name == "image_features" ? "image" : "text");
  write_safetensors(arguments.out, features, {});
  for (const auto& [name, tensor] : features) {
    log_info("encode", "{}: {} of {} numbers", name, counted(tensor.size(0), "row"), tensor.size(1));
  }
  return 0;
}

}  // namespace

void add_encode_command(CLI::App& app, Action& action, Ranks& ranks) {
  CLI::App* const command =
      app.add_subcommand("encode", "Encode images and texts and write their features to a file");
  const auto arguments = std::make_shared<EncodeArguments>();
  add_model_arguments(*command, arguments->model);
  command->add_option("--images", arguments->images, "File with the path of one image per line");
  command->add_option("--texts", arguments->texts, "File with one text per line");
  command
      ->add_option("--out", arguments->out,
                   "Output safetensors file: image_features, text_features (float32, L2-normalized rows)")
      ->required();
  add_enum_option<FeatureStage>(
      *command, "--features", arguments->features,
      "Features of images: L2-normalized, raw before that, or of the tower before its projection");
  command->callback(
      [arguments, &action, &ranks] { action = [arguments, &ranks] { return encode(*arguments, ranks); }; });
}

}  // namespace cloob

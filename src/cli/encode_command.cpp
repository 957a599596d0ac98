// cloob encode

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/model_arguments.h"
#include "cli/model_identity.h"
#include "cli/output_file.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/slice.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/data/image_files.h"
#include "cloob/data/source.h"
#include "cloob/data/source_names.h"
#include "cloob/image/decode.h"
#include "cloob/search/embeddings.h"

namespace cloob {
namespace {

struct EncodeArguments {
  ModelArguments model;
  std::string images;
  std::string texts;
  std::string out;
  std::string embeddings;
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
  if (arguments.out.empty() && arguments.embeddings.empty())
    throw_user_error("where are the features to be written? Give --out FILE or --embeddings FOLDER");
  std::vector<std::string> inputs = images;
  inputs.insert(inputs.end(), {arguments.images, arguments.texts, arguments.model.checkpoint});
  require_output(arguments.out, OutputKind::safetensors, inputs);
  if (!arguments.embeddings.empty()) require_new_or_empty(arguments.embeddings);
}

// Rows of embeddings are pairs, and of length 1.
void require_pairs(const EncodeArguments& arguments, std::size_t images, std::size_t texts) {
  if (arguments.embeddings.empty()) return;
  if (arguments.features != FeatureStage::unit)
    throw_user_error("--embeddings is for L2-normalized features: leave out --features {}",
                     enum_name(arguments.features));
  if (images == texts || images == 0 || texts == 0) return;
  throw_user_error(
      "--embeddings: image and text of a row belong together, but '{}' has {} lines and '{}' has {}",
      arguments.images, images, arguments.texts, texts);
}

// Texts have no other stage.
void require_images_for_stage(const EncodeArguments& arguments) {
  if (arguments.images.empty() && arguments.features != FeatureStage::unit)
    throw_user_error("--features {} is for images: give --images, or leave it out",
                     enum_name(arguments.features));
}

// What is encoded: lines of the two lists, one of which may be empty.
struct Lines {
  std::vector<std::string> images, texts;
  std::size_t size() const { return std::max(images.size(), texts.size()); }
};

std::vector<std::string> part_of(const std::vector<std::string>& lines, Slice slice) {
  if (lines.empty()) return {};
  return {lines.begin() + slice.first, lines.begin() + slice.first + slice.count};
}

// Row k belongs to line k, so no image may be skipped.
at::Tensor encode_every_image(const OpenedModel& opened, const std::vector<std::string>& images,
                              std::size_t first_line, const EncodeArguments& arguments) {
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
      arguments.images, first_line + first + 1, images[first], images.size() - encoded.indices.size(),
      images.size());
}

std::map<Side, at::Tensor> encode_part(const OpenedModel& opened, const Lines& lines, Slice slice,
                                       const EncodeArguments& arguments) {
  std::map<Side, at::Tensor> features;
  if (!lines.images.empty()) {
    features[Side::image] = encode_every_image(opened, part_of(lines.images, slice),
                                               static_cast<std::size_t>(slice.first), arguments);
    require_finite_features(features[Side::image], "image");
  }
  if (!lines.texts.empty()) {
    features[Side::text] = opened.encoder.encode_texts(part_of(lines.texts, slice), opened.options);
    require_finite_features(features[Side::text], "text");
  }
  return features;
}

std::vector<std::string> metadata_of(const Lines& lines, Slice slice) {
  std::vector<std::string> metadata;
  for (auto i = static_cast<std::size_t>(slice.first); std::ssize(metadata) < slice.count; ++i) {
    nlohmann::ordered_json json;
    if (!lines.images.empty()) json["image_path"] = lines.images[i];
    if (!lines.texts.empty()) json["caption"] = lines.texts[i];
    metadata.push_back(json.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace));
  }
  return metadata;
}

// All lines at once.
std::map<Side, at::Tensor> encode_all(const OpenedModel& opened, const Lines& lines,
                                      const EncodeArguments& arguments) {
  auto features = encode_part(opened, {lines.images, {}}, {0, std::ssize(lines.images)}, arguments);
  features.merge(encode_part(opened, {{}, lines.texts}, {0, std::ssize(lines.texts)}, arguments));
  opened.display->finish();
  return features;
}

using FeaturesOf = std::function<std::map<Side, at::Tensor>(Slice slice)>;

// Block by block, so that memory need not grow with the lists.
void write_embeddings(const OpenedModel& opened, const Lines& lines, const EncodeArguments& arguments,
                      const FeaturesOf& features_of) {
  constexpr std::int64_t kBlock = 1 << 16;
  const auto total = static_cast<std::int64_t>(lines.size());
  write_new_folder(arguments.embeddings, [&](const std::filesystem::path& folder) {
    EmbeddingsWriter writer(folder, total);
    for (std::int64_t first = 0; first < total; first += kBlock) {
      const Slice slice{first, std::min(kBlock, total - first)};
      writer.add(features_of(slice), metadata_of(lines, slice));
    }
    writer.finish(identity_of(opened, arguments.model.checkpoint));
  });
  opened.display->finish();
  log_info("encode", "{}: embeddings of {}", arguments.embeddings, counted(total, "row"));
}

// Features of a run that retrieves from a memory are not those of its towers; those of texts have one stage only.
std::map<std::string, std::string> refinement_metadata(const OpenedModel& opened,
                                                       const EncodeArguments& arguments) {
  const std::string refinement = refinement_json(opened.loaded);
  const bool has_unit_features = arguments.features == FeatureStage::unit || !arguments.texts.empty();
  if (refinement.empty() || !has_unit_features) return {};
  return {{"refinement", refinement}};
}

void write_tensors(const std::map<Side, at::Tensor>& features, const OpenedModel& opened,
                   const EncodeArguments& arguments) {
  NamedTensors named;
  for (const auto& [side, tensor] : features)
    named[side == Side::image ? "image_features" : "text_features"] = tensor;
  const auto metadata = refinement_metadata(opened, arguments);
  write_safetensors(arguments.out, named, metadata);
  for (const auto& [unused, refinement] : metadata)
    log_info("encode", "the features are refined with the memory of '{}' ({})", arguments.model.checkpoint,
             refinement);
  for (const auto& [name, tensor] : named)
    log_info("encode", "{}: {} of {} numbers", name, counted(tensor.size(0), "row"), tensor.size(1));
}

int encode(const EncodeArguments& arguments, Ranks& ranks) {
  if (arguments.images.empty() && arguments.texts.empty()) {
    throw_user_error("nothing to encode: give --images, --texts or both");
  }
  require_images_for_stage(arguments);
  Lines lines;
  if (!arguments.images.empty()) lines.images = read_all_lines(arguments.images, "the path of one image");
  if (!arguments.texts.empty()) lines.texts = read_all_lines(arguments.texts, "one text");
  require_output_of(arguments, lines.images);
  require_pairs(arguments, lines.images.size(), lines.texts.size());
  const OpenedModel opened = open_model(arguments.model, "encode", ranks.single("encode"));
  if (!lines.texts.empty()) opened.encoder.require_texts();
  std::map<Side, at::Tensor> all;
  if (!arguments.out.empty()) all = encode_all(opened, lines, arguments);
  if (!arguments.embeddings.empty()) {
    write_embeddings(opened, lines, arguments, [&](Slice slice) {
      if (all.empty()) return encode_part(opened, lines, slice, arguments);
      std::map<Side, at::Tensor> block;
      for (const auto& [side, tensor] : all) block[side] = tensor.narrow(0, slice.first, slice.count);
      return block;
    });
  }
  if (!arguments.out.empty()) write_tensors(all, opened, arguments);
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
  command->add_option(
      "--out", arguments->out,
      "Output safetensors file: image_features at the stage of --features, text_features L2-normalized, float32 rows");
  command->add_option(
      "--embeddings", arguments->embeddings,
      "New folder for the features in clip-retrieval's layout (float16 .npy, metadata as JSON "
      "lines); image and text of the same line are a row");
  add_enum_option<FeatureStage>(
      *command, "--features", arguments->features,
      "Features of images: L2-normalized, raw before that, or of the tower before its projection");
  command->callback(
      [arguments, &action, &ranks] { action = [arguments, &ranks] { return encode(*arguments, ranks); }; });
}

}  // namespace cloob

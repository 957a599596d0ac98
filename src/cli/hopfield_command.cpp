// cloob hopfield images|capacity

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/output_file.h"
#include "cli/seed_option.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/image_files.h"
#include "cloob/data/limits.h"
#include "cloob/data/loader/preprocess.h"
#include "cloob/image/contact_sheet.h"
#include "cloob/image/encode.h"
#include "cloob/retrieval/association.h"
#include "cloob/retrieval/recall.h"

namespace cloob {
namespace {

struct ImagesArguments {
  std::vector<std::string> images;
  std::string out;
  std::vector<double> betas = {4, 16, 32, 64, 256};
  std::int64_t size = 64;
  std::int64_t update_steps = 1;
  std::int64_t rows = 4;
  double keep = 0.5;
  std::string json;
};

// Pixels from 0 to 1.
ImageConfig plain_pixels() {
  ImageConfig config;
  config.mean = {0, 0, 0};
  config.std = {1, 1, 1};
  config.resize_mode = ResizeMode::squash;
  return config;
}

at::Tensor read_images(const std::vector<std::string>& files, std::int64_t size) {
  const Preprocess preprocess =
      make_image_preprocess(plain_pixels(), Purpose::evaluation, size, DataConfig{}.max_image_pixels);
  at::Tensor images_NCHW = at::empty({std::ssize(files), 3, size, size});
  RandomStream unused(RandomUse::augmentation, {});
  for (std::size_t i = 0; i < files.size(); ++i) {
    const at::Tensor image_CHW = images_NCHW[static_cast<std::int64_t>(i)];
    try {
      preprocess.image(read_image_file(files[i]), unused,
                       {image_CHW.data_ptr<float>(), static_cast<std::size_t>(image_CHW.numel())});
    } catch (const BadSample& error) {
      throw_user_error("'{}' cannot be stored: {}", files[i], error.what());
    }
  }
  return images_NCHW;
}

// Everything that a column of the strip shows.
struct Column {
  std::string name;
  at::Tensor weights_NM;
};

Column association(const at::Tensor& state_ND, const at::Tensor& stored_ND, double beta,
                   std::int64_t update_steps) {
  const AssociationOptions options{.beta = at::scalar_tensor(beta, at::kDouble),
                                   .max_update_steps = update_steps};
  const auto as_set = [](const at::Tensor& patterns) { return patterns.view({1, 1, patterns.size(0), -1}); };
  return {fmt::format("beta {:.3g}", beta),
          association_weights(as_set(state_ND), as_set(stored_ND), options)[0][0]};
}

// The strip: a row for each of the first images.
ImageU8 draw_strip(const at::Tensor& images_NCHW, const at::Tensor& given_NCHW,
                   const std::vector<Column>& columns, std::int64_t rows) {
  std::vector<at::Tensor> cells;
  std::vector<std::string> captions;
  const auto add = [&](const at::Tensor& image_CHW, std::string caption) {
    cells.push_back(image_CHW);
    captions.push_back(std::move(caption));
  };
  for (std::int64_t row = 0; row < rows; ++row) {
    add(given_NCHW[row], "given");
    for (const Column& column : columns)
      add(at::mv(images_NCHW.flatten(1).t(), column.weights_NM[row]).view_as(images_NCHW[row]), column.name);
    add(images_NCHW[row], "stored");
  }
  return contact_sheet(at::stack(cells), captions, plain_pixels(), static_cast<int>(std::ssize(cells)),
                       static_cast<int>(std::ssize(columns)) + 2);
}

int recall_images(const ImagesArguments& arguments) {
  const std::int64_t num_images = std::ssize(arguments.images);
  if (num_images < 2)
    throw_user_error("a Hopfield network of {}: give at least 2", counted(num_images, "image"));
  require_output(arguments.out, OutputKind::png, arguments.images);
  require_output(arguments.json, OutputKind::json, arguments.images);
  if (!arguments.out.empty() && arguments.out == arguments.json)
    throw_user_error("--out and --json both name '{}': choose another file for one of them", arguments.out);
  const at::Tensor images_NCHW = read_images(arguments.images, arguments.size);
  // Without the mean image, which all have in common, and at one length: otherwise similarity is mostly brightness.
  const at::Tensor centered_NCHW = images_NCHW - images_NCHW.mean(0);
  const auto side =
      static_cast<std::int64_t>(std::llround(arguments.keep * static_cast<double>(arguments.size)));
  const auto blank = [side](const at::Tensor& images, double level) {
    at::Tensor result = images.clone();
    result.narrow(3, side, images.size(3) - side).fill_(level);
    return result;
  };
  const at::Tensor stored_ND = unit_rows(centered_NCHW.flatten(1));
  const at::Tensor state_ND = unit_rows(blank(centered_NCHW, 0).flatten(1));

  std::vector<Column> columns = {{"untrained layer", untrained_weights(state_ND, stored_ND)}};
  std::vector<double> betas = arguments.betas;
  betas.insert(betas.begin(), 1 / std::sqrt(static_cast<double>(stored_ND.size(1))));
  for (const double beta : betas)
    columns.push_back(association(state_ND, stored_ND, beta, arguments.update_steps));

  nlohmann::ordered_json result;
  for (const Column& column : columns) {
    const Recall recall = measure_recall(column.weights_NM, images_NCHW.flatten(1));
    result[column.name] = {
        {"entropy", recall.entropy},       {"images_averaged", std::exp(recall.entropy)},
        {"own_weight", recall.own_weight}, {"recovered", recall.recovered},
        {"found", recall.found},           {"retrieves", regime_name(regime_of(recall.entropy, num_images))}};
  }
  if (!arguments.out.empty()) {
    const ImageU8 strip =
        draw_strip(images_NCHW, blank(images_NCHW, 0.5), columns, std::min(arguments.rows, num_images));
    write_file_atomically(arguments.out, encode_png(strip));
  }
  write_result(arguments.json, result.dump());
  return 0;
}

struct CapacityArguments {
  std::vector<std::int64_t> dims = {8, 12, 16, 20, 24, 28};
  double radius = 1;
  double noise = 0.5;
  double max_error = 0.01;
  std::int64_t max_patterns = 1 << 18;
  std::int64_t seed = 0;
  std::string json;
};

// The most patterns, among powers of two, of which at most `max_error` are lost. A single one never is.
int measure_capacity(const CapacityArguments& arguments) {
  require_output(arguments.json, OutputKind::json, {});
  nlohmann::ordered_json result;
  for (const std::int64_t dim : arguments.dims) {
    StorageTrial trial{.dim = dim,
                       .num_patterns = 1,
                       .beta = arguments.radius * arguments.radius * static_cast<double>(dim - 1),
                       .noise = arguments.noise,
                       .seed = static_cast<std::uint64_t>(arguments.seed)};
    nlohmann::ordered_json& row = result[fmt::format("{} dimensions", dim)];
    row = {{"beta", trial.beta}, {"patterns", 0}};
    for (; trial.num_patterns <= arguments.max_patterns; trial.num_patterns *= 2) {
      const double error = storage_error(trial);
      if (error > arguments.max_error) {
        row["error_of_twice_as_many"] = error;
        break;
      }
      row["patterns"] = trial.num_patterns;
      row["error"] = error;
    }
  }
  write_result(arguments.json, result.dump());
  return 0;
}

void add_images_command(CLI::App& group, Action& action) {
  CLI::App* const command = group.add_subcommand(
      "images", "Store images, give a part of each, and show what is retrieved, for several betas");
  const auto arguments = std::make_shared<ImagesArguments>();
  command->add_option("images", arguments->images, "Image files, which are all stored")->required();
  command->add_option("--out", arguments->out,
                      "New PNG file: the first images, what was given of them and what was retrieved");
  command->add_option("--beta", arguments->betas, "Inverse temperatures, besides 1 / sqrt(d)")
      ->capture_default_str()
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1e6));
  command->add_option("--size", arguments->size, "Side in pixels to which images are resized")
      ->capture_default_str()
      ->check(CLI::Range(2, 1024));
  command->add_option("--keep", arguments->keep, "Fraction of the columns that is given, from the left")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--update-steps", arguments->update_steps, "Maximum number of Hopfield updates")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--rows", arguments->rows, "Images in the PNG")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  add_json_option(*command, arguments->json);
  command->callback([arguments, &action] { action = [arguments] { return recall_images(*arguments); }; });
}

void add_capacity_command(CLI::App& group, Action& action) {
  CLI::App* const command =
      group.add_subcommand("capacity", "How many random patterns a Hopfield network stores, by dimension");
  const auto arguments = std::make_shared<CapacityArguments>();
  command->add_option("--dim", arguments->dims, "Dimensions of the patterns")
      ->capture_default_str()
      ->delimiter(',')
      ->check(CLI::Range(2, 4096));
  command
      ->add_option("--radius", arguments->radius,
                   "K: patterns of length K sqrt(d - 1) and beta 1, or of unit length and beta K^2 (d - 1)")
      ->capture_default_str()
      ->check(CLI::Range(1e-3, 1e3));
  command
      ->add_option("--noise", arguments->noise,
                   "Length of what is added to a pattern of unit length to ask for it")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 10.0));
  command->add_option("--max-error", arguments->max_error, "Fraction of the patterns that may be lost")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--max-patterns", arguments->max_patterns, "Most patterns to try")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24));
  add_seed_option(*command, arguments->seed, "Seed of the patterns");
  add_json_option(*command, arguments->json);
  command->callback([arguments, &action] { action = [arguments] { return measure_capacity(*arguments); }; });
}

}  // namespace

void add_hopfield_commands(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand("hopfield", "What Hopfield networks store and retrieve");
  group->require_subcommand(1);
  add_images_command(*group, action);
  add_capacity_command(*group, action);
}

}  // namespace cloob

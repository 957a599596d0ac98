// Settings with a member of every type, for the tests of reading, printing and documenting.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/config/config.h"

namespace cloob::testing {
enum class LossKind { info_nce, info_loob };
}  // namespace cloob::testing

namespace cloob {
template <>
struct EnumNames<testing::LossKind> {
  static constexpr std::array<std::pair<std::string_view, testing::LossKind>, 2> names = {
      {{"info_nce", testing::LossKind::info_nce}, {"info_loob", testing::LossKind::info_loob}}};
};
}  // namespace cloob

namespace cloob::testing {

struct OptimizerConfig {
  double lr = 5e-4;
  double weight_decay = 0.1;
  std::int64_t warmup_steps = 10000;
  std::optional<double> grad_clip_norm;

  static constexpr auto fields() {
    return std::tuple(
        field("lr", &OptimizerConfig::lr, "Peak learning rate, reached after warm-up.", Range{0.0, 1.0}),
        field("weight_decay", &OptimizerConfig::weight_decay, "Decay of weight matrices."),
        field("warmup_steps", &OptimizerConfig::warmup_steps, "Steps of warm-up.", Range{0, 1'000'000}),
        field("grad_clip_norm", &OptimizerConfig::grad_clip_norm, "Maximum norm; null: no clipping.",
              Range{.low = 0}));
  }
  void validate() const {
    if (lr > 0.5 && !grad_clip_norm) throw UserError("optimizer.lr above 0.5 needs optimizer.grad_clip_norm");
  }
  bool operator==(const OptimizerConfig&) const = default;
};
static_assert(lists_every_member<OptimizerConfig>);

struct CropConfig {
  std::vector<double> scale = {0.9, 1};
  bool antialias = true;

  static constexpr auto fields() {
    return std::tuple(
        field("scale", &CropConfig::scale, "Fraction of the area, lowest and highest.", Range{0, 1}),
        field("antialias", &CropConfig::antialias, "Whether to filter when shrinking (a|b)."));
  }
  void validate() const {
    if (scale.size() == 2 && scale[0] > scale[1]) throw UserError("the smaller fraction comes first");
  }
  bool operator==(const CropConfig&) const = default;
};
static_assert(lists_every_member<CropConfig>);

struct ImageConfig {
  CropConfig crop;
  std::int64_t size = 224;

  static constexpr auto fields() {
    return std::tuple(field("crop", &ImageConfig::crop, "Random crops."),
                      field("size", &ImageConfig::size, "Side in pixels.", Range{.high = 1e9}));
  }
  bool operator==(const ImageConfig&) const = default;
};
static_assert(lists_every_member<ImageConfig>);

struct DataConfig {
  std::string train;
  std::vector<std::string> shards;
  std::optional<std::string> root;
  std::vector<LossKind> kinds;
  std::vector<bool> flags;
  std::optional<bool> shuffle;

  static constexpr auto fields() {
    return std::tuple(
        field("train", &DataConfig::train, "Training pairs."),
        field("shards", &DataConfig::shards, "Tar files."),
        field("root", &DataConfig::root, "Folder that relative paths start from."),
        field("kinds", &DataConfig::kinds, "Losses to measure."),
        field("flags", &DataConfig::flags, "Booleans."),
        field("shuffle", &DataConfig::shuffle, "Whether to shuffle; null: as the source does."));
  }
  bool operator==(const DataConfig&) const = default;
};
static_assert(lists_every_member<DataConfig>);

struct ExampleConfig {
  LossKind loss = LossKind::info_loob;
  OptimizerConfig optimizer;
  ImageConfig image;
  DataConfig data;

  static constexpr auto fields() {
    return std::tuple(field("loss", &ExampleConfig::loss, "The loss to minimize."),
                      field("optimizer", &ExampleConfig::optimizer, "How weights change."),
                      field("image", &ExampleConfig::image, "From files to tensors."),
                      field("data", &ExampleConfig::data, "Where pairs come from."));
  }
  void validate() const {
    if (data.train == "none" && optimizer.warmup_steps > 0) {
      throw UserError("optimizer.warmup_steps has no meaning without data.train");
    }
  }
  bool operator==(const ExampleConfig&) const = default;
};
static_assert(lists_every_member<ExampleConfig>);

inline ExampleConfig read_text(std::string_view text, const std::vector<std::string>& arguments) {
  ConfigSource source = ConfigSource::from_text(text, "run.yaml");
  source.add_overrides(parse_overrides(arguments));
  return read_config<ExampleConfig>(source);
}

inline ExampleConfig read_text(std::string_view text) { return read_text(text, {}); }

/// The message of the UserError that `action` throws; empty when it throws none.
template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  return {};
}

}  // namespace cloob::testing

// A sweep as its file describes it: a recipe, what varies, and what is searched for each variant (docs/ablations.md).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/config/field.h"
#include "cloob/config/settings_tree.h"

namespace cloob {

enum class Direction { max, min };

template <>
struct EnumNames<Direction> {
  static constexpr std::array<std::pair<std::string_view, Direction>, 2> names{
      {{"max", Direction::max}, {"min", Direction::min}}};
};

struct SearchConfig {
  std::string metric;
  std::optional<Direction> direction;
  std::optional<std::int64_t> seed;

  static constexpr auto fields() {
    return std::tuple(
        field("metric", &SearchConfig::metric,
              "The metric of the last evaluation of a trial by which the best one is chosen."),
        field(
            "direction", &SearchConfig::direction,
            "Whether the best value is the largest or the smallest; unset: as the metric has it, the smallest loss or rank "
            "and the largest recall or accuracy."),
        field(
            "seed", &SearchConfig::seed,
            "Seed of all trials; unset: the largest of `seeds` plus 1, so that no final run is one that was chosen.",
            {0, 9e15}));
  }
};
static_assert(lists_every_member<SearchConfig>);

/// The settings of the sweep itself. Besides them its file has parts whose names are those of other settings: `settings`,
/// `axes`, `exclude`, and in `search` `settings`, `variants` and `trial_settings`.
struct SweepConfig {
  std::string base;
  std::string name;
  std::vector<std::int64_t> seeds = {0};
  std::int64_t threads = 0;
  SearchConfig search;

  static constexpr auto fields() {
    return std::tuple(
        field("base", &SweepConfig::base, "The recipe of all runs, relative to the file of the sweep."),
        field("name", &SweepConfig::name, "Name of the sweep; unset: that of its file."),
        field("seeds", &SweepConfig::seeds, "Every variant is trained once with each of these seeds.",
              {0, 9e15}),
        field(
            "threads", &SweepConfig::threads,
            "CPU threads of every run, however many run at once; 0 means train.threads of the recipe, or all cores of "
            "the machine that makes the plan.",
            {0, 4096}),
        field("search", &SweepConfig::search, "The search for settings of each variant."));
  }
};
static_assert(lists_every_member<SweepConfig>);

/// Settings of runs. `model`, without a section, is what `cloob train --model` takes.
using SweepSettings = std::vector<NamedNode>;

struct AxisValue {
  std::string name;
  SweepSettings settings;
};

struct Axis {
  std::string name;
  std::vector<AxisValue> values;
};

/// Combinations that are left out: those with one of these values on every axis that is named.
struct Exclusion {
  std::string origin;
  std::vector<std::pair<std::string, std::vector<std::string>>> values;  ///< by axis
};

/// The values of a setting that are tried.
struct Candidates {
  std::string setting;
  std::vector<ConfigNode> values;
};

/// Candidates of the combinations with one value of an axis.
struct VariantCandidates {
  std::string axis, value;
  std::vector<Candidates> candidates;
};

struct Search {
  std::vector<Candidates> candidates;  ///< of all combinations
  std::vector<VariantCandidates> variants;
  SweepSettings trial_settings;
};

struct Sweep {
  std::filesystem::path file;
  std::filesystem::path base;
  SweepConfig config;
  SweepSettings settings;
  std::vector<Axis> axes;
  std::vector<Exclusion> exclusions;
  std::optional<Search> search;
};

/// Reads the file of a sweep, but not the recipe: what the settings mean is checked by `resolve_plan`. The direction of the
/// search is that of its metric; it stays unset if the metric has none. Throws UserError ("file:line:column: ...").
Sweep read_sweep(const std::filesystem::path& file);

}  // namespace cloob

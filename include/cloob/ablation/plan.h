// The runs of a sweep: the combinations of its axes, their trials and their seeds. Pure functions of the sweep.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cloob/ablation/sweep_config.h"

namespace cloob {

enum class RunKind { trial, final };

template <>
struct EnumNames<RunKind> {
  static constexpr std::array<std::pair<std::string_view, RunKind>, 2> names{
      {{"trial", RunKind::trial}, {"final", RunKind::final}}};
};

/// The value of every axis, in the order of the axes.
using AxisValues = std::vector<std::pair<std::string, std::string>>;

struct PlannedRun {
  std::string name;  ///< "objective=CLIP,seed=0": its folder in runs/
  RunKind kind = RunKind::final;
  AxisValues values;
  std::int64_t seed = 0;
  std::optional<std::int64_t> trial;
  SweepSettings settings;  ///< of its values on the axes
  SweepSettings searched;  ///< of a trial: the candidates that it tries
};

/// "objective=CLIP,beta=8"; "all" without axes.
std::string variant_name(const AxisValues& values);

/// All runs in the order in which they start: the trials of all combinations, then the final runs, all combinations with one
/// seed after the other. Throws UserError if combinations do not have the same number of trials, if an exclusion matches
/// nothing, or if a setting is set by two axes or is searched and set elsewhere.
std::vector<PlannedRun> make_plan(const Sweep& sweep);

/// The same for all variants; 0 without a search.
std::int64_t trials_per_variant(const std::vector<PlannedRun>& runs);

}  // namespace cloob

#include "cloob/ablation/plan.h"

#include <fmt/core.h>

#include <algorithm>

#include "ablation/run_lengths.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

constexpr std::size_t kMaxRuns = 10'000;
constexpr std::size_t kMaxNameLength = 200;  // file systems allow 255 bytes, and suffixes are added

// Whether one replaces the other: of the three lengths of a run only one can be set.
bool are_exclusive(std::string_view a, std::string_view b) {
  return a == b || (is_run_length(a) && is_run_length(b));
}

const NamedNode* find_exclusive(const SweepSettings& settings, std::string_view name) {
  const auto found = std::ranges::find_if(
      settings, [&](const NamedNode& setting) { return are_exclusive(setting.name, name); });
  return found == settings.end() ? nullptr : &*found;
}

// " as train.steps"
std::string other_name(const NamedNode& other, std::string_view name) {
  return other.name == name ? "" : " as " + other.name;
}

struct Combination {
  AxisValues values;
  SweepSettings settings;
};

std::vector<Combination> combinations_of(const std::vector<Axis>& axes) {
  std::vector<Combination> all(1);
  for (const Axis& axis : axes) {
    std::vector<Combination> longer;
    for (const Combination& combination : all) {
      for (const AxisValue& value : axis.values) {
        Combination next = combination;
        for (const NamedNode& setting : value.settings) {
          if (const NamedNode* const other = find_exclusive(combination.settings, setting.name))
            throw_user_error("{}: {} is set by two axes, first at {}{}", setting.value.key_origin,
                             setting.name, other->value.key_origin, other_name(*other, setting.name));
          next.settings.push_back(setting);
        }
        next.values.emplace_back(axis.name, value.name);
        longer.push_back(std::move(next));
        if (longer.size() > kMaxRuns)
          throw_user_error("the axes have more than {} combinations", with_thousands(kMaxRuns));
      }
    }
    all = std::move(longer);
  }
  return all;
}

bool has_value(const AxisValues& values, const std::string& axis, const std::vector<std::string>& any_of) {
  return std::ranges::any_of(values, [&](const auto& value) {
    return value.first == axis && std::ranges::find(any_of, value.second) != any_of.end();
  });
}

bool matches(const Exclusion& exclusion, const AxisValues& values) {
  return std::ranges::all_of(exclusion.values, [&](const auto& excluded) {
    return has_value(values, excluded.first, excluded.second);
  });
}

void exclude(std::vector<Combination>& combinations, const std::vector<Exclusion>& exclusions) {
  for (const Exclusion& exclusion : exclusions) {
    const bool matches_any = std::ranges::any_of(
        combinations, [&](const Combination& one) { return matches(exclusion, one.values); });
    if (!matches_any)
      throw_user_error("{}: this entry of exclude matches no combination that is left", exclusion.origin);
    std::erase_if(combinations, [&](const Combination& one) { return matches(exclusion, one.values); });
  }
  if (combinations.empty()) throw_user_error("exclude leaves no combination of the axes");
}

// Those of the variants replace those of all combinations for the same setting.
std::vector<Candidates> candidates_of(const Search& search, const Combination& combination) {
  std::vector<Candidates> all = search.candidates;
  for (const VariantCandidates& variant : search.variants) {
    if (!has_value(combination.values, variant.axis, {variant.value})) continue;
    for (const Candidates& candidates : variant.candidates) {
      const auto same = std::ranges::find(all, candidates.setting, &Candidates::setting);
      if (same == all.end()) {
        all.push_back(candidates);
      } else {
        *same = candidates;
      }
    }
  }
  return all;
}

void require_searched_only(const Candidates& candidates, const SweepSettings& settings) {
  const NamedNode* const other = find_exclusive(settings, candidates.setting);
  if (other == nullptr) return;
  throw_user_error("{}: {} is searched, and also set at {}{}: remove one of them",
                   candidates.values.front().origin, candidates.setting, other->value.key_origin,
                   other_name(*other, candidates.setting));
}

// All combinations of the candidates: the settings of each trial.
std::vector<SweepSettings> trials_of(const std::vector<Candidates>& all) {
  std::vector<SweepSettings> trials(1);
  for (const Candidates& candidates : all) {
    std::vector<SweepSettings> longer;
    for (const SweepSettings& trial : trials) {
      for (const ConfigNode& value : candidates.values) {
        longer.push_back(trial);
        longer.back().push_back({candidates.setting, value});
      }
    }
    if (longer.size() > kMaxRuns)
      throw_user_error("a variant has more than {} trials", with_thousands(kMaxRuns));
    trials = std::move(longer);
  }
  return trials;
}

std::string run_name(const AxisValues& values, std::int64_t seed, const std::optional<std::int64_t>& trial) {
  std::vector<std::string> parts;
  for (const auto& [axis, value] : values) parts.push_back(axis + "=" + value);
  parts.push_back(trial ? fmt::format("trial={}", *trial) : fmt::format("seed={}", seed));
  std::string name = join(parts, ",");
  if (name.size() > kMaxNameLength)
    throw_user_error(
        "the name '{}' of a run is longer than {} letters: use shorter names for axes and variants", name,
        kMaxNameLength);
  return name;
}

void add_trials(std::vector<PlannedRun>& runs, const Sweep& sweep,
                const std::vector<Combination>& combinations) {
  const std::int64_t seed =
      sweep.config.search.seed.value_or(*std::ranges::max_element(sweep.config.seeds) + 1);
  std::size_t first_count = 0;
  for (const Combination& combination : combinations) {
    const std::vector<Candidates> candidates = candidates_of(*sweep.search, combination);
    for (const Candidates& one : candidates) {
      require_searched_only(one, combination.settings);
      require_searched_only(one, sweep.search->trial_settings);
    }
    const std::vector<SweepSettings> trials = trials_of(candidates);
    if (&combination == &combinations.front()) first_count = trials.size();
    if (trials.size() != first_count) {
      throw_user_error(
          "the search is not fair: {} has {} and {} has {}: give all variants the same number (search.variants)",
          variant_name(combinations.front().values), counted(static_cast<std::int64_t>(first_count), "trial"),
          variant_name(combination.values), counted(static_cast<std::int64_t>(trials.size()), "trial"));
    }
    for (std::int64_t trial = 0; const SweepSettings& searched : trials) {
      runs.push_back({.name = run_name(combination.values, seed, trial),
                      .kind = RunKind::trial,
                      .values = combination.values,
                      .seed = seed,
                      .trial = trial,
                      .settings = combination.settings,
                      .searched = searched});
      ++trial;
    }
  }
}

}  // namespace

std::string variant_name(const AxisValues& values) {
  std::vector<std::string> parts;
  for (const auto& [axis, value] : values) parts.push_back(axis + "=" + value);
  return parts.empty() ? "all" : join(parts, ",");
}

std::vector<PlannedRun> make_plan(const Sweep& sweep) {
  std::vector<Combination> combinations = combinations_of(sweep.axes);
  exclude(combinations, sweep.exclusions);
  std::vector<PlannedRun> runs;
  if (sweep.search) add_trials(runs, sweep, combinations);
  for (const std::int64_t seed : sweep.config.seeds) {
    for (const Combination& combination : combinations) {
      runs.push_back({.name = run_name(combination.values, seed, std::nullopt),
                      .kind = RunKind::final,
                      .values = combination.values,
                      .seed = seed,
                      .trial = {},
                      .settings = combination.settings,
                      .searched = {}});
    }
  }
  if (runs.size() > kMaxRuns)
    throw_user_error("the sweep has {} runs, more than {}", with_thousands(std::ssize(runs)),
                     with_thousands(kMaxRuns));
  return runs;
}

std::int64_t trials_per_variant(const std::vector<PlannedRun>& runs) {
  std::int64_t trials = 0;
  for (const PlannedRun& run : runs) trials = std::max(trials, run.trial ? *run.trial + 1 : 0);
  return trials;
}

}  // namespace cloob

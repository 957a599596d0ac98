#include "cloob/report/sweep_comparison.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

std::size_t find_axis(const SweepResults& sweep, const std::string& name) {
  if (name.empty()) return 0;
  std::vector<std::string> names;
  for (const SweepAxis& axis : sweep.axes) names.push_back(axis.name);
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    throw_user_error("--compare {}: the sweep has no such axis{}; its axes are {}", name,
                     suggestion(name, names), join(names, ", "));
  }
  return static_cast<std::size_t>(found - names.begin());
}

std::string block_label(const SweepResults& sweep, const SweepRun& run, std::size_t axis) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < sweep.axes.size(); ++i) {
    if (i != axis && !run.values[i].empty())
      parts.push_back(fmt::format("{}={}", sweep.axes[i].name, run.values[i]));
  }
  return join(parts, ", ");
}

template <class T>
std::size_t index_of(std::vector<T>& all, const T& value) {
  const auto found = std::ranges::find(all, value);
  if (found != all.end()) return static_cast<std::size_t>(found - all.begin());
  all.push_back(value);
  return all.size() - 1;
}

void collect_systems(const SweepResults& sweep, std::size_t axis, SweepComparison& comparison) {
  const std::vector<const SweepRun*> finals = sweep.finals();
  const auto has_runs = [&](const std::string& value) {
    return std::ranges::any_of(finals, [&](const SweepRun* run) { return run->values[axis] == value; });
  };
  for (const std::string& value : sweep.axes[axis].values) {
    if (has_runs(value)) comparison.values.push_back(value);
  }
  for (const SweepRun* run : finals) {
    const std::size_t block = index_of(comparison.blocks, block_label(sweep, *run, axis));
    const std::size_t value = index_of(comparison.values, run->values[axis]);
    const auto is_same = [&](const SweepSystem& system) {
      return system.block == block && system.value == value;
    };
    auto system = std::ranges::find_if(comparison.systems, is_same);
    if (system == comparison.systems.end())
      system = comparison.systems.insert(
          system,
          SweepSystem{.block = block, .value = value, .sweep = sweep.is_joined ? run->values.back() : ""});
    system->runs.push_back(run);
  }
  std::ranges::stable_sort(comparison.systems, [](const SweepSystem& a, const SweepSystem& b) {
    return std::pair(a.block, a.value) < std::pair(b.block, b.value);
  });
}

void choose_baseline(const std::string& name, SweepComparison& comparison) {
  if (!name.empty()) {
    const auto found = std::ranges::find(comparison.values, name);
    if (found == comparison.values.end()) {
      throw_user_error("--baseline {}: '{}' has no such value{}; its values are {}", name, comparison.axis,
                       suggestion(name, comparison.values), join(comparison.values, ", "));
    }
    comparison.baseline = static_cast<std::size_t>(found - comparison.values.begin());
  }
  // Each sweep by itself: another one may have trained and evaluated on other data.
  for (std::size_t i = 0; i < comparison.systems.size(); ++i) {
    const SweepSystem& baseline = comparison.systems[i];
    if (baseline.value != comparison.baseline) continue;
    const auto is_of_sweep = [&](const SweepSystem& other) { return other.sweep == baseline.sweep; };
    const bool is_only_one = std::ranges::count_if(comparison.systems, [&](const SweepSystem& other) {
                               return is_of_sweep(other) && other.value == comparison.baseline;
                             }) == 1;
    const bool has_more_blocks = std::ranges::any_of(comparison.systems, [&](const SweepSystem& other) {
      return is_of_sweep(other) && other.block != baseline.block;
    });
    if (is_only_one && has_more_blocks) comparison.shared_baselines.push_back(i);
  }
}

// Of finished runs, in the order of a report: R@5 before R@10.
std::vector<std::string> measured_metrics(const SweepResults& sweep) {
  std::set<std::string> names;
  for (const SweepRun* run : sweep.finals()) {
    for (const auto& [name, value] : run->metrics) {
      if (run->is_done() && is_measure(name)) names.insert(name);
    }
  }
  // Numbers by their size, not by their digits.
  const auto natural = [](const std::string& name) {
    std::string key, digits;
    for (const char c : name + " ") {
      if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
        digits += c;
        continue;
      }
      if (!digits.empty()) key += std::string(12 - std::min<std::size_t>(11, digits.size()), '0') + digits;
      digits.clear();
      key += c;
    }
    return key;
  };
  std::vector<std::string> sorted(names.begin(), names.end());
  std::ranges::stable_sort(sorted, {}, [&](const std::string& name) {
    return std::pair(static_cast<int>(metric_name(name).group), natural(name));
  });
  return sorted;
}

std::string choose_metric(const SweepResults& sweep, const std::string& wanted,
                          const std::vector<std::string>& measured) {
  const auto has = [&](const std::string& name) {
    return std::ranges::find(measured, name) != measured.end();
  };
  if (!wanted.empty()) {
    const std::string name = has(wanted) ? wanted : "val/" + wanted;
    if (!has(name) && !measured.empty()) {
      throw_user_error("--metric {}: no finished run has it{}; there are {}", wanted,
                       suggestion(wanted, measured), join(measured, ", "));
    }
    return measured.empty() ? "" : name;
  }
  if (sweep.search && has(sweep.search->metric)) return sweep.search->metric;
  for (const char* name : {"val/image_to_text_R@10", "val/text_to_image_R@10"}) {
    if (has(name)) return name;
  }
  const auto is_directed = [](const std::string& name) {
    return metric_name(name).better != Better::neither;
  };
  const auto found = std::ranges::find_if(measured, is_directed);
  if (found != measured.end()) return *found;
  return measured.empty() ? "" : measured.front();
}

std::optional<double> value_of(const SweepRun& run, const std::string& metric) {
  if (!run.is_done()) return std::nullopt;
  const auto found = run.metrics.find(metric);
  return found == run.metrics.end() || !std::isfinite(found->second) ? std::nullopt
                                                                     : std::optional(found->second);
}

// Whether the mean over the seeds is no better than what luck gives.
void judge_chance(const SweepSystem& system, const MetricResult& metric, SystemResult& result) {
  for (const SweepRun* run : system.runs) {
    if (!run->is_done() || result.chance) continue;
    const auto lookup = [run](const std::string& name) { return run->last_value(name); };
    result.chance = chance_level(metric.metric, lookup);
    if (!result.chance || result.summary.count == 0) continue;
    const double mean = result.summary.mean, chance = *result.chance;
    if (metric.name.better == Better::lower) {
      result.is_at_chance = mean >= chance - 0.01 * std::abs(chance);
    } else {
      result.is_at_chance =
          mean <= chance + chance_margin(metric.metric, chance, lookup).value_or(0.5 * chance);
    }
  }
}

struct PairedValues {
  std::vector<double> values = {}, baselines = {};
};

PairedValues paired_values(const SweepSystem& system, const SweepSystem& baseline,
                           const std::string& metric) {
  PairedValues pairs;
  std::set<std::int64_t> used;
  for (const SweepRun* run : system.runs) {
    const auto is_pair = [&](const SweepRun* other) { return other->seed == run->seed; };
    const auto other = std::ranges::find_if(baseline.runs, is_pair);
    if (other == baseline.runs.end() || !used.insert(run->seed).second) continue;
    const auto value = value_of(*run, metric), base = value_of(**other, metric);
    if (!value || !base) continue;
    pairs.values.push_back(*value);
    pairs.baselines.push_back(*base);
  }
  return pairs;
}

double largest_magnitude(const PairedValues& pairs) {
  double largest = 0;
  for (const auto* values : {&pairs.values, &pairs.baselines}) {
    for (const double value : *values) largest = std::max(largest, std::abs(value));
  }
  return largest;
}

void test_against(const SweepSystem& baseline, const SweepSystem& system, const MetricResult& metric,
                  SystemResult& result) {
  result.is_other_objective =
      metric.name.group == MetricGroup::loss && objective_of(system) != objective_of(baseline);
  if (result.is_other_objective) return;
  const PairedValues pairs = paired_values(system, baseline, metric.metric);
  std::vector<double> differences;
  for (std::size_t i = 0; i < pairs.values.size(); ++i)
    differences.push_back(pairs.values[i] - pairs.baselines[i]);
  result.test = paired_test(differences, largest_magnitude(pairs));
  result.paired_mean = summarize(pairs.values).mean;
  result.paired_baseline_mean = summarize(pairs.baselines).mean;
}

SystemResult system_result(const SweepComparison& comparison, std::size_t index, const MetricResult& metric) {
  const SweepSystem& system = comparison.systems[index];
  SystemResult result{.system = index, .holm_p = std::nan("")};
  std::vector<double> values;
  for (const SweepRun* run : system.runs) {
    if (const auto value = value_of(*run, metric.metric)) values.push_back(*value);
  }
  result.summary = summarize(values);
  judge_chance(system, metric, result);
  if (system.value == comparison.baseline) return result;
  if (const auto baseline = comparison.baseline_of(system))
    test_against(comparison.systems[*baseline], system, metric, result);
  return result;
}

void correct_for_comparisons(MetricResult& metric) {
  std::vector<double> p, sign_p;
  for (const SystemResult& result : metric.systems) p.push_back(result.test ? result.test->p : std::nan(""));
  const std::vector<double> adjusted = holm_adjusted(p);
  for (std::size_t i = 0; i < adjusted.size(); ++i) metric.systems[i].holm_p = adjusted[i];
  for (const BlockResult& result : metric.over_blocks) sign_p.push_back(result.test.sign_p);
  const std::vector<double> adjusted_signs = holm_adjusted(sign_p);
  for (std::size_t i = 0; i < adjusted_signs.size(); ++i)
    metric.over_blocks[i].holm_sign_p = adjusted_signs[i];
}

// Blocks without a baseline of their own would not be independent.
void test_over_blocks(const SweepComparison& comparison, MetricResult& metric) {
  if (comparison.blocks.size() < 2 || !comparison.shared_baselines.empty()) return;
  for (std::size_t value = 0; value < comparison.values.size(); ++value) {
    if (value == comparison.baseline) continue;
    std::vector<double> differences;
    double largest = 0;
    for (const SystemResult& result : metric.systems) {
      if (comparison.systems[result.system].value != value || !result.test || result.test->count == 0)
        continue;
      differences.push_back(result.test->mean);
      largest = std::max({largest, std::abs(result.paired_mean), std::abs(result.paired_baseline_mean)});
    }
    if (!differences.empty())
      metric.over_blocks.push_back({.value = value, .test = paired_test(differences, largest)});
  }
}

MetricResult metric_result(const SweepResults& sweep, const SweepComparison& comparison,
                           const std::string& metric) {
  MetricResult result{.metric = metric, .name = metric_name(metric)};
  const bool is_searched = sweep.search && sweep.search->metric == metric;
  if (is_searched && result.name.better == Better::neither) result.name.better = sweep.search->better;
  for (std::size_t i = 0; i < comparison.systems.size(); ++i) {
    SystemResult system = system_result(comparison, i, result);
    if (system.summary.count > 0) result.systems.push_back(std::move(system));
  }
  test_over_blocks(comparison, result);
  correct_for_comparisons(result);
  return result;
}

}  // namespace

const MetricResult* SweepComparison::main_result() const {
  const auto found = std::ranges::find(metrics, main_metric, &MetricResult::metric);
  return found == metrics.end() ? nullptr : &*found;
}

std::optional<std::size_t> SweepComparison::baseline_of(const SweepSystem& system) const {
  for (std::size_t i = 0; i < systems.size(); ++i) {
    if (systems[i].block == system.block && systems[i].value == baseline) return i;
  }
  for (const std::size_t shared : shared_baselines) {
    if (systems[shared].sweep == system.sweep) return shared;
  }
  return std::nullopt;
}

std::string SweepComparison::label_of(const SweepSystem& system) const {
  const std::string& block = blocks[system.block];
  return block.empty() ? values[system.value] : fmt::format("{} ({})", values[system.value], block);
}

std::string objective_of(const SweepSystem& system) {
  for (const SweepRun* run : system.runs) {
    const std::string loss = run->setting("loss.kind"), retrieval = run->setting("retrieval.kind");
    if (!loss.empty())
      return retrieval.empty() || retrieval == "none" ? loss : fmt::format("{} with {}", loss, retrieval);
  }
  // The plan alone has what the recipe says, not what follows from it.
  for (const SweepRun* run : system.runs) {
    if (const std::string objective = run->setting("objective"); !objective.empty()) return objective;
  }
  return "";
}

SweepComparison compare_sweep(const SweepResults& sweep, const SweepOptions& options) {
  SweepComparison comparison;
  const std::size_t axis = find_axis(sweep, options.compare);
  comparison.axis = sweep.axes[axis].name;
  for (std::size_t i = 0; i < sweep.axes.size(); ++i) {
    if (i != axis) comparison.block_axes.push_back(sweep.axes[i].name);
  }
  collect_systems(sweep, axis, comparison);
  choose_baseline(options.baseline, comparison);
  const std::vector<std::string> measured = measured_metrics(sweep);
  comparison.main_metric = choose_metric(sweep, options.metric, measured);
  for (const std::string& metric : measured)
    comparison.metrics.push_back(metric_result(sweep, comparison, metric));
  for (const SweepRun* run : sweep.finals()) {
    for (const auto& [name, value] : run->metrics) {
      if (run->is_done() && is_measure(name) && !std::isfinite(value))
        comparison.not_numbers.push_back({run->name, name});
    }
  }
  comparison.reaching = find_reaching(comparison);
  return comparison;
}

}  // namespace cloob

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <span>

#include "cloob/base/text.h"
#include "cloob/report/sweep_comparison.h"

namespace cloob {
namespace {

constexpr std::size_t kMaxPoints = 150;

using Curve = std::map<double, double>;  // pairs seen -> value

bool is_charted(const std::string& metric) {
  constexpr std::array<std::string_view, 9> kOfTheMachine = {
      "train/samples_per_second", "train/batch_time",  "train/data_time",
      "train/peak_memory_gib",    "train/bad_samples", "train/skipped_steps",
      "train/loss_scale",         "train/chance_loss", "train/step_time"};
  const bool is_of_model = metric.starts_with("val/") || metric.starts_with("train/");
  return is_of_model && is_measure(metric) && !metric.ends_with("_rank") &&
         std::ranges::find(kOfTheMachine, metric) == kOfTheMachine.end();
}

const std::vector<MetricsRecord>& records_with(const SweepRun& run, const std::string& metric) {
  return metric.starts_with("val/") ? run.evaluations : run.records;
}

// Finished runs, or else those that have begun.
std::vector<const SweepRun*> charted_runs(const SweepSystem& system) {
  std::vector<const SweepRun*> runs;
  for (const bool wants_done : {true, false}) {
    for (const SweepRun* run : system.runs) {
      if (run->is_done() == wants_done && !run->records.empty()) runs.push_back(run);
    }
    if (!runs.empty()) break;
  }
  return runs;
}

Curve curve_of(const SweepRun& run, const std::string& metric, double scale) {
  Curve curve;
  for (const MetricsRecord& record : records_with(run, metric)) {
    for (const auto& [name, value] : record.metrics) {
      if (name == metric) curve[static_cast<double>(record.samples_seen)] = scale * value;
    }
  }
  return curve;
}

// Consecutive points as one: the mean, and the extremes of the band.
std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points) {
  if (points.size() <= kMaxPoints) return points;
  std::vector<ChartPoint> result;
  for (std::size_t part = 0; part < kMaxPoints; ++part) {
    const std::size_t first = part * points.size() / kMaxPoints,
                      end = (part + 1) * points.size() / kMaxPoints;
    ChartPoint sum = points[end - 1];
    sum.y = 0;
    for (std::size_t i = first; i < end; ++i) {
      sum.y += points[i].y / static_cast<double>(end - first);
      sum.low = std::fmin(sum.low, points[i].low);
      sum.high = std::fmax(sum.high, points[i].high);
    }
    result.push_back(sum);
  }
  return result;
}

// The mean over the seeds where all of them were measured, and a band from the smallest to the largest. What is not a number
// is left out.
ChartSeries mean_curve(const std::string& name, const std::vector<const SweepRun*>& runs,
                       const std::string& metric, double scale) {
  std::vector<Curve> curves;
  for (const SweepRun* run : runs) {
    if (Curve curve = curve_of(*run, metric, scale); !curve.empty()) curves.push_back(std::move(curve));
  }
  ChartSeries series{.name = name, .points = {}};
  if (curves.empty()) return series;
  for (const auto& [x, first] : curves.front()) {
    std::vector<double> values;
    for (const Curve& curve : curves) {
      if (const auto found = curve.find(x); found != curve.end()) values.push_back(found->second);
    }
    if (values.size() < curves.size()) continue;
    std::erase_if(values, [](double value) { return !std::isfinite(value); });
    const Summary summary = summarize(values);
    ChartPoint point{x, summary.mean};
    if (curves.size() > 1 && std::isfinite(summary.mean)) {
      point.low = summary.min;
      point.high = summary.max;
    }
    series.points.push_back(point);
  }
  series.points = thinned(series.points);
  if (!runs.front()->is_done()) series.note = "(not finished)";
  return series;
}

// Losses of different objectives have different scales and levels of chance.
std::vector<std::vector<const SweepSystem*>> comparable(const std::vector<const SweepSystem*>& systems,
                                                        const MetricName& name) {
  if (name.group != MetricGroup::loss) return {systems};
  std::vector<std::string> objectives;
  std::vector<std::vector<const SweepSystem*>> groups;
  for (const SweepSystem* system : systems) {
    const std::string objective = objective_of(*system);
    const auto found = std::ranges::find(objectives, objective);
    const auto index = static_cast<std::size_t>(found - objectives.begin());
    if (found == objectives.end()) {
      objectives.push_back(objective);
      groups.emplace_back();
    }
    groups[index].push_back(system);
  }
  return groups;
}

// Of losses with a learned temperature each run has its own level: those that nearly agree are one.
std::vector<ChartLevel> chance_of(const std::vector<const SweepSystem*>& systems, const std::string& metric,
                                  double scale) {
  constexpr double kSame = 1.1;
  std::vector<double> levels;
  for (const SweepSystem* system : systems) {
    for (const SweepRun* run : charted_runs(*system)) {
      const auto chance =
          chance_level(metric, [run](const std::string& name) { return run->last_value(name); });
      if (chance && std::isfinite(*chance) && *chance > 0) levels.push_back(scale * *chance);
    }
  }
  std::ranges::sort(levels);
  std::vector<ChartLevel> lines;
  for (std::size_t first = 0, end = 0; first < levels.size(); first = end) {
    while (end < levels.size() && levels[end] <= kSame * levels[first]) ++end;
    lines.push_back({"chance", summarize(std::span(levels).subspan(first, end - first)).mean});
  }
  return lines;
}

std::vector<std::string> charted_metrics(const std::vector<const SweepSystem*>& systems) {
  std::vector<std::string> names;
  for (const SweepSystem* system : systems) {
    for (const SweepRun* run : charted_runs(*system)) {
      for (const auto* records : {&run->evaluations, &run->records}) {
        for (const MetricsRecord& record : *records) {
          for (const auto& [name, value] : record.metrics) {
            if (is_charted(name) && std::ranges::find(names, name) == names.end()) names.push_back(name);
          }
        }
      }
    }
  }
  std::ranges::stable_sort(names, {},
                           [](const std::string& name) { return static_cast<int>(metric_name(name).group); });
  return names;
}

}  // namespace

std::vector<Chart> sweep_charts(const SweepComparison& comparison) {
  std::vector<Chart> charts;
  for (std::size_t block = 0; block < comparison.blocks.size(); ++block) {
    std::vector<const SweepSystem*> systems;
    for (const SweepSystem& system : comparison.systems) {
      if (system.block == block) systems.push_back(&system);
    }
    for (const std::string& metric : charted_metrics(systems)) {
      const MetricName name = metric_name(metric);
      const double scale = name.is_fraction ? 100 : 1;
      const std::string& of_block = comparison.blocks[block];
      const auto groups = comparable(systems, name);
      for (const auto& group : groups) {
        const std::string objective = groups.size() > 1 ? objective_of(*group.front()) : "";
        Chart chart{.title = objective.empty() ? name.label : fmt::format("{}, {}", name.label, objective),
                    .x_label = "pairs seen",
                    .y_label = name.is_fraction ? "%" : "",
                    .series = {},
                    .levels = {},
                    .group = of_block.empty() ? std::string(title_of(name.group))
                                              : fmt::format("{}, {}", title_of(name.group), of_block)};
        // What a reader wants to see first stays open; a grid of many blocks would have hundreds of charts.
        const bool is_outcome = name.group == MetricGroup::recall || name.group == MetricGroup::zero_shot;
        chart.is_folded =
            name.group == MetricGroup::training || (comparison.blocks.size() > 2 && !is_outcome);
        for (const SweepSystem* system : group) {
          const auto runs = charted_runs(*system);
          ChartSeries series = mean_curve(comparison.values[system->value], runs, metric, scale);
          if (!series.points.empty()) chart.series.push_back(std::move(series));
        }
        if (chart.series.empty()) continue;
        chart.levels = chance_of(group, metric, scale);
        charts.push_back(std::move(chart));
      }
    }
  }
  return charts;
}

}  // namespace cloob

#include "cli/run_comparison.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint_store.h"
#include "cloob/report/metric_names.h"

namespace cloob {
namespace {

const std::string kUnknown = "-";

double number(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<double>() : std::nan("");
}

std::string percent(double fraction) {
  return std::isnan(fraction) ? kUnknown : fmt::format("{:.1f} %", 100 * fraction);
}

std::string pairs_seen(const ComparedRun& run) {
  return run.records.empty() ? kUnknown : with_thousands(run.records.back().samples_seen);
}

std::string wall_time(const ComparedRun& run) {
  return run.records.empty() ? kUnknown : human_seconds(run.records.back().time_s);
}

const std::vector<MetricsRecord>& records_with(const ComparedRun& run, std::string_view metric) {
  return metric.starts_with("val/") ? run.evaluations : run.records;
}

std::optional<double> last_value(const ComparedRun& run, std::string_view metric) {
  std::optional<double> last;
  for (const MetricsRecord& record : records_with(run, metric)) {
    for (const auto& [name, value] : record.metrics) {
      if (name == metric) last = value;
    }
  }
  return last;
}

// The metrics of evaluations of all runs, in the order in which they were written.
std::vector<std::string> evaluated_metrics(const std::vector<ComparedRun>& runs) {
  std::vector<std::string> names;
  for (const ComparedRun& run : runs) {
    for (const MetricsRecord& record : run.evaluations) {
      for (const auto& [name, value] : record.metrics) {
        if (name.starts_with("val/") && std::ranges::find(names, name) == names.end()) names.push_back(name);
      }
    }
  }
  return names;
}

// In the table of a few runs: amounts as well, without ranks.
bool is_shown(std::string_view name) {
  return is_amount(name) || (is_measure(name) && !name.ends_with("_rank"));
}

std::optional<double> chance_of(const ComparedRun& run, const std::string& metric) {
  return chance_level(metric, [&](const std::string& name) { return last_value(run, name); });
}

// Unset if it is not the same for all runs.
std::optional<double> common_chance(const std::vector<ComparedRun>& runs, const std::string& metric) {
  std::set<double> levels;
  for (const ComparedRun& run : runs) {
    if (last_value(run, metric)) levels.insert(chance_of(run, metric).value_or(-1));
  }
  return levels.size() == 1 && *levels.begin() >= 0 ? std::optional(*levels.begin()) : std::nullopt;
}

std::string figure(const std::string& metric, std::optional<double> value) {
  if (!value || std::isnan(*value)) return kUnknown;
  return is_amount(metric) ? with_thousands(std::llround(*value)) : fmt::format("{:.4g}", *value);
}

// The evaluation whose checkpoint is kept as the best one: "0.1234 (step 1,200)".
std::string best_evaluation(const ComparedRun& run) {
  const std::string& metric = run.checkpoint.best_metric;
  const double sign = best_mode(run.checkpoint) == BestMode::max ? 1 : -1;
  const MetricsRecord* best = nullptr;
  double best_value = 0;
  for (const MetricsRecord& record : run.evaluations) {
    for (const auto& [name, value] : record.metrics) {
      if (name != metric || !std::isfinite(value)) continue;
      if (best != nullptr && sign * value <= sign * best_value) continue;
      best = &record;
      best_value = value;
    }
  }
  return best == nullptr ? kUnknown : fmt::format("{:.4g} (step {})", best_value, with_thousands(best->step));
}

std::vector<ChartLevel> chance_levels(const std::vector<const ComparedRun*>& runs,
                                      const std::string& metric) {
  std::set<double> levels;
  for (const ComparedRun* run : runs) {
    if (const auto chance = chance_of(*run, metric)) levels.insert(*chance);
  }
  std::vector<ChartLevel> lines;
  for (const double level : levels) lines.push_back({"chance", level});
  return lines;
}

void add_chart(std::vector<Chart>& charts, const std::vector<const ComparedRun*>& runs,
               const std::string& title, const std::string& metric) {
  Chart chart{.title = title, .x_label = "pairs seen", .y_label = metric, .series = {}, .levels = {}};
  for (const ComparedRun* run : runs) {
    ChartSeries series = metric_curve(run->name, records_with(*run, metric), metric);
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  if (chart.series.empty()) return;
  chart.levels = chance_levels(runs, metric);
  charts.push_back(std::move(chart));
}

}  // namespace

std::optional<ReportTable> zero_shot_table(const std::string& title, const std::vector<ComparedRun>& runs) {
  const auto has_result = [](const ComparedRun& run) { return !run.zero_shot.is_null(); };
  const auto evaluated = std::ranges::find_if(runs, has_result);
  if (evaluated == runs.end()) return std::nullopt;
  const double chance = 1.0 / number(evaluated->zero_shot, "num_classes");
  ReportTable table{
      .title = title,
      .header = {"run", "top-1", "top-5", "mean per class", "x chance", "pairs seen", "wall time"},
      .rows = {},
      .note = fmt::format("{} images, chance {}. Wall times depend on the machine and on what else it did.",
                          with_thousands(evaluated->zero_shot["num_samples"].get<std::int64_t>()),
                          percent(chance))};
  for (const ComparedRun& run : runs) {
    const double acc1 = number(run.zero_shot, "acc1");
    table.rows.push_back({run.name, percent(acc1), percent(number(run.zero_shot, "acc5")),
                          percent(number(run.zero_shot, "mean_per_class_recall")),
                          std::isnan(acc1) ? kUnknown : fmt::format("{:.1f}", acc1 / chance), pairs_seen(run),
                          wall_time(run)});
  }
  return table;
}

ReportTable last_evaluations(const std::vector<ComparedRun>& runs) {
  ReportTable table{
      .title = "Last evaluation",
      .header = {""},
      .rows = {},
      .note =
          "Losses of different objectives are not comparable. Wall times depend on the machine and on what "
          "else it did."};
  for (const ComparedRun& run : runs) table.header.push_back(run.name);
  table.header.emplace_back("chance");
  const auto add_row = [&](const std::string& name, const auto& cell_of, const std::string& chance = "") {
    std::vector<std::string> row = {name};
    for (const ComparedRun& run : runs) row.push_back(cell_of(run));
    row.push_back(chance);
    table.rows.push_back(std::move(row));
  };
  add_row("objective",
          [](const ComparedRun& run) { return run.objective.empty() ? kUnknown : run.objective; });
  add_row("model", [](const ComparedRun& run) { return run.model.empty() ? kUnknown : run.model; });
  add_row("steps", [](const ComparedRun& run) {
    return run.records.empty() ? kUnknown : with_thousands(run.records.back().step);
  });
  add_row("pairs seen", pairs_seen);
  add_row("wall time", wall_time);
  for (const std::string& name : evaluated_metrics(runs)) {
    if (!is_shown(name)) continue;
    const auto chance = common_chance(runs, name);
    add_row(
        name.substr(name.find('/') + 1),
        [&](const ComparedRun& run) { return figure(name, last_value(run, name)); },
        chance ? figure(name, chance) : "");
  }
  std::vector<std::string> best_metrics;
  for (const ComparedRun& run : runs) {
    const std::string& metric = run.checkpoint.best_metric;
    if (!metric.empty() && std::ranges::find(best_metrics, metric) == best_metrics.end())
      best_metrics.push_back(metric);
  }
  for (const std::string& metric : best_metrics) {
    add_row("best " + metric.substr(metric.find('/') + 1), [&](const ComparedRun& run) {
      return run.checkpoint.best_metric == metric ? best_evaluation(run) : kUnknown;
    });
  }
  return table;
}

std::optional<ReportTable> different_settings(const std::vector<ComparedRun>& runs) {
  ReportTable table{.title = "Settings that differ", .header = {"setting"}, .rows = {}};
  std::set<std::string> names;
  std::vector<const ComparedRun*> known;
  for (const ComparedRun& run : runs) {
    if (run.settings.empty()) continue;
    known.push_back(&run);
    table.header.push_back(run.name);
    for (const auto& [name, value] : run.settings) names.insert(name);
  }
  for (const std::string& name : names) {
    std::vector<std::string> row = {name};
    std::set<std::string> values;
    for (const ComparedRun* run : known) {
      const auto found = run->settings.find(name);
      row.push_back(found == run->settings.end() ? kUnknown : found->second);
      values.insert(row.back());
    }
    if (values.size() > 1) table.rows.push_back(std::move(row));
  }
  return table.rows.empty() ? std::nullopt : std::optional(std::move(table));
}

std::vector<Chart> comparison_charts(const std::vector<ComparedRun>& runs) {
  std::vector<Chart> charts;
  std::vector<const ComparedRun*> all;
  std::vector<std::string> objectives;
  for (const ComparedRun& run : runs) {
    all.push_back(&run);
    if (std::ranges::find(objectives, run.objective) == objectives.end()) objectives.push_back(run.objective);
  }
  for (const auto& [title, metric] :
       {std::pair("Training loss", "train/loss"), std::pair("Validation loss", "val/loss")}) {
    for (const std::string& objective : objectives) {
      std::vector<const ComparedRun*> same;
      std::ranges::copy_if(all, std::back_inserter(same),
                           [&](const ComparedRun* run) { return run->objective == objective; });
      add_chart(charts, same, objective.empty() ? title : fmt::format("{}, objective {}", title, objective),
                metric);
    }
  }
  for (const std::string& metric : evaluated_metrics(runs)) {
    if (metric.ends_with("_acc1"))
      add_chart(charts, all, fmt::format("Zero-shot, {}", metric.substr(4, metric.size() - 9)), metric);
  }
  add_chart(charts, all, "Retrieval of captions, validation", "val/image_to_text_R@1");
  add_chart(charts, all, "Retrieval of images, validation", "val/text_to_image_R@1");
  add_chart(charts, all, "Gradient norm", "train/grad_norm");
  add_chart(charts, all, "Learning rate", "train/lr");
  add_chart(charts, all, "Learning rate of the image tower", "train/lr_image");
  return charts;
}

}  // namespace cloob

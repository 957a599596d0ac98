#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "cloob/base/text.h"
#include "cloob/report/csv.h"
#include "cloob/report/sweep_comparison.h"
#include "report/sweep_words.h"

namespace cloob {
namespace {

const std::string kNone = "-";
const std::string kNotReached = "not reached";

std::string if_any(const std::string& text) { return text.empty() ? kNone : text; }

std::vector<std::string> words_of(const std::vector<std::int64_t>& numbers) {
  std::vector<std::string> words;
  for (const std::int64_t number : numbers) words.push_back(fmt::format("{}", number));
  return words;
}

std::string status_text(const SweepResults& sweep, bool trials) {
  std::map<std::string, std::int64_t> counts;
  std::int64_t total = 0;
  for (const SweepRun& run : sweep.runs) {
    if (run.is_trial != trials) continue;
    ++counts[run.status];
    ++total;
  }
  std::vector<std::string> parts;
  for (const auto& [status, count] : counts)
    parts.push_back(fmt::format("{} {}", with_thousands(count), status));
  return total == 0 ? "none" : fmt::format("{}: {}", with_thousands(total), join(parts, ", "));
}

ReportTable overview_table(const SweepResults& sweep, const SweepComparison& comparison) {
  ReportTable table{.title = "What was compared", .header = {"", ""}, .rows = {}, .is_text = true};
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) table.rows.push_back({name, value});
  };
  add("sweep", sweep.name);
  add("base recipe", sweep.base);
  add("compared", fmt::format("{}: {}", comparison.axis, join(comparison.values, ", ")));
  add("compared with", comparison.values.empty() ? "" : comparison.values[comparison.baseline]);
  for (const SweepAxis& axis : sweep.axes) {
    if (axis.name != comparison.axis) add("axis " + axis.name, join(axis.values, ", "));
  }
  add("seeds", join(words_of(sweep.seeds), ", "));
  add("runs", status_text(sweep, /*trials=*/false));
  add("trials", status_text(sweep, /*trials=*/true));
  if (sweep.search) {
    add("trials chosen by", fmt::format("{} ({} is better)", metric_name(sweep.search->metric).label,
                                        enum_name(sweep.search->better)));
  }
  add("threads of a run", sweep.threads);
  add("precision", sweep.precision);
  add("device", sweep.device);
  return table;
}

std::string mean_cell(const MetricName& name, const Summary& summary) {
  if (summary.count == 0) return kNone;
  const std::string mean = plain_text(name, summary.mean);
  return std::isnan(summary.deviation)
             ? mean
             : fmt::format("{} \u00b1 {}", mean,
                           name.is_fraction ? plain_text(name, summary.deviation)
                                            : fmt::format("{:.2g}", summary.deviation));
}

std::string title_cell(const MetricName& name) { return name.label + (name.is_fraction ? ", %" : ""); }

std::string better_cell(const MetricName& name) {
  return name.better == Better::neither ? "" : std::string(enum_name(name.better));
}

// Means of all metrics, a column for each value, of one block.
ReportTable results_table(const SweepComparison& comparison, std::size_t block) {
  const std::string& label = comparison.blocks[block];
  ReportTable table{
      .title = label.empty() ? "Results" : "Results, " + label,
      .header = {"", "better"},
      .rows = {},
      .note =
          "Mean and standard deviation over the seeds, at the last evaluation of finished runs. Losses of different "
          "objectives are not comparable."};
  std::vector<std::size_t> systems;
  std::vector<std::string> seeds = {"finished seeds", ""};
  for (std::size_t i = 0; i < comparison.systems.size(); ++i) {
    const SweepSystem& system = comparison.systems[i];
    if (system.block != block) continue;
    systems.push_back(i);
    table.header.push_back(comparison.values[system.value]);
    const auto done = std::ranges::count_if(system.runs, [](const SweepRun* run) { return run->is_done(); });
    seeds.push_back(fmt::format("{} of {}", done, system.runs.size()));
  }
  table.header.emplace_back("chance");
  seeds.emplace_back();
  table.rows.push_back(std::move(seeds));
  for (const MetricResult& metric : comparison.metrics) {
    std::vector<std::string> row = {title_cell(metric.name), better_cell(metric.name)};
    std::set<double> chances;
    for (const std::size_t system : systems) {
      const auto found = std::ranges::find(metric.systems, system, &SystemResult::system);
      if (found == metric.systems.end()) {
        row.push_back(kNone);
        continue;
      }
      const auto done = std::ranges::count_if(comparison.systems[system].runs,
                                              [](const SweepRun* run) { return run->is_done(); });
      row.push_back(mean_cell(metric.name, found->summary) +
                    (found->summary.count < done ? fmt::format(" ({})", found->summary.count) : ""));
      chances.insert(found->chance.value_or(-1));
    }
    row.push_back(chances.size() == 1 && *chances.begin() > 0 ? plain_text(metric.name, *chances.begin())
                                                              : "");
    table.rows.push_back(std::move(row));
  }
  return table;
}

// "2 of 3"; for a metric without a direction, of how many the value is higher.
std::string wins_cell(const MetricName& name, const PairedTest& test) {
  const std::int64_t wins = name.better == Better::lower ? test.num_negative : test.num_positive;
  return fmt::format("{} of {}", wins, test.count);
}

const std::vector<std::string> kTestHeader = {"mean",       "spread",        "seeds",
                                              "difference", "95 % interval", "p (t-test)",
                                              "p (Holm)",   "better in",     "p (sign)"};

std::vector<std::string> test_cells(const MetricName& name, const SystemResult& result) {
  std::vector<std::string> cells = {
      value_text(name, result.summary.mean),
      std::isnan(result.summary.deviation) ? kNone : plain_text(name, result.summary.deviation),
      fmt::format("{}", result.summary.count)};
  if (!result.test || result.test->count == 0) {
    cells.resize(kTestHeader.size(), kNone);
    return cells;
  }
  const PairedTest& test = *result.test;
  const std::string sign = test.mean > 0 ? "+" : "";
  cells.push_back(sign + plain_text(name, test.mean));
  cells.push_back(std::isnan(test.low)
                      ? kNone
                      : fmt::format("{} to {}", plain_text(name, test.low), plain_text(name, test.high)));
  for (const double p : {test.p, result.holm_p}) cells.push_back(p_cell(p));
  cells.push_back(wins_cell(name, test));
  cells.push_back(p_cell(test.sign_p));
  return cells;
}

ReportTable main_tests_table(const SweepComparison& comparison, const MetricResult& metric) {
  ReportTable table{
      .title = fmt::format("Tests: {}", title_cell(metric.name)),
      .header = {comparison.axis},
      .rows = {},
      .note = fmt::format(
          "Differences from {}, paired by seed. p (Holm) is corrected for all comparisons in this table. p (sign) is that of "
          "the exact sign test, which sees only which one is better with each seed.",
          comparison.values[comparison.baseline])};
  table.header.insert(table.header.end(), kTestHeader.begin(), kTestHeader.end());
  for (const SystemResult& result : metric.systems) {
    std::vector<std::string> row = {comparison.label_of(comparison.systems[result.system])};
    for (std::string& cell : test_cells(metric.name, result)) row.push_back(std::move(cell));
    table.rows.push_back(std::move(row));
  }
  return table;
}

ReportTable other_tests_table(const SweepComparison& comparison) {
  ReportTable table{
      .title = "Tests of all measures",
      .header = {"measure", comparison.axis},
      .rows = {},
      .note =
          "p (Holm) is corrected for the comparisons of one measure, not for the number of measures: among twenty "
          "measures one is below 0.05 by chance. Better in: with how many seeds; for measures without a "
          "direction, with how many the value is higher.",
      .is_folded = true};
  table.header.insert(table.header.end(), kTestHeader.begin(), kTestHeader.end());
  for (const MetricResult& metric : comparison.metrics) {
    for (const SystemResult& result : metric.systems) {
      std::vector<std::string> row = {title_cell(metric.name),
                                      comparison.label_of(comparison.systems[result.system])};
      for (std::string& cell : test_cells(metric.name, result)) row.push_back(std::move(cell));
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

std::string ratio_cell(double ratio) { return std::isnan(ratio) ? kNone : fmt::format("{:.2f}", ratio); }

// With how many seeds it is reached, and the ratios of samples with those: "2 of 3: 0.50, 0.67".
std::string ratios_by_seed(const SystemReaching& reaching) {
  std::vector<std::string> ratios;
  for (const Reaching& of_seed : reaching.by_seed) {
    if (of_seed.own) ratios.push_back(ratio_cell(of_seed.samples_ratio()));
  }
  return fmt::format("{} of {}{}{}", ratios.size(), reaching.by_seed.size(), ratios.empty() ? "" : ": ",
                     join(ratios, ", "));
}

ReportTable reaching_table(const SweepComparison& comparison, const MetricName& name) {
  const std::string& baseline = comparison.values[comparison.baseline];
  ReportTable table{
      .title = fmt::format("How soon the final value of {} is reached: {}", baseline, title_cell(name)),
      .header = {comparison.axis, "value", "samples", "ratio", "time", "ratio", "seeds that reach it"},
      .rows = {},
      .note = fmt::format(
          "The first evaluation at which the mean over the seeds is {} what {} has at the end; nothing is interpolated, so that "
          "an answer is no finer than the evaluations are close. Ratios are to the place where {} itself is first there, which may "
          "be before its end. Time includes evaluations and depends on the machine and on what else it did. The last column "
          "compares each run with that of {} with the same seed and with its final value: the ratios of their samples.",
          name.better == Better::lower ? "at or below" : "at or above", baseline, baseline, baseline)};
  for (const SystemReaching& reaching : comparison.reaching) {
    const auto& [seed, target, own, of_baseline] = reaching.mean;
    std::vector<std::string> row = {comparison.label_of(comparison.systems[reaching.system]),
                                    plain_text(name, target)};
    if (own) {
      row.insert(row.end(),
                 {with_thousands(std::llround(own->samples)), ratio_cell(reaching.mean.samples_ratio()),
                  human_seconds(own->seconds), ratio_cell(reaching.mean.seconds_ratio())});
    } else {
      row.insert(row.end(), {kNotReached, kNone, kNone, kNone});
    }
    const bool is_baseline = comparison.systems[reaching.system].value == comparison.baseline;
    row.push_back(is_baseline ? kNone : ratios_by_seed(reaching));
    table.rows.push_back(std::move(row));
  }
  return table;
}

// Of the main metric, or of all others.
ReportTable blocks_table(const SweepComparison& comparison, bool is_of_main) {
  ReportTable table{
      .title = fmt::format("Sign tests over {}{}", join(comparison.block_axes, ", "),
                           is_of_main ? "" : ": other measures"),
      .header = {"measure", comparison.axis, "difference", "better in", "p (sign)", "p (Holm)"},
      .rows = {},
      .note = fmt::format(
          "Each combination counts once, with its mean difference from {} over the seeds. p (Holm) is corrected "
          "for the comparisons of one measure.",
          comparison.values[comparison.baseline])};
  table.is_folded = !is_of_main;
  for (const MetricResult& metric : comparison.metrics) {
    if ((metric.metric == comparison.main_metric) != is_of_main) continue;
    for (const BlockResult& result : metric.over_blocks) {
      table.rows.push_back({title_cell(metric.name), comparison.values[result.value],
                            plain_text(metric.name, result.test.mean), wins_cell(metric.name, result.test),
                            p_cell(result.test.sign_p), p_cell(result.holm_sign_p)});
    }
  }
  return table;
}

ReportTable trials_table(const SweepResults& sweep) {
  const MetricName name = metric_name(sweep.search ? sweep.search->metric : "");
  ReportTable table{
      .title = "Trials",
      .header = {"variant", "trials", "with a result", "score of the chosen", "range", "chosen settings"},
      .rows = {},
      .note = sweep.search ? fmt::format("Score: {}, {} is better. Trials are not among the results above.",
                                         name.label, enum_name(sweep.search->better))
                           : ""};
  for (const SweepChoice& choice : sweep.choices) {
    std::vector<double> scores;
    std::string chosen_score = kNone;
    for (const SweepTrial& trial : choice.trials) {
      if (!trial.score) continue;
      scores.push_back(*trial.score);
      if (trial.run == choice.chosen || choice.chosen.ends_with(": " + trial.run))
        chosen_score = value_text(name, *trial.score);
    }
    const Summary range = summarize(scores);
    std::vector<std::string> values;
    for (const std::string& value : choice.values) {
      if (!value.empty()) values.push_back(value);
    }
    table.rows.push_back(
        {join(values, ", "), fmt::format("{}", choice.trials.size()), fmt::format("{}", scores.size()),
         chosen_score,
         scores.empty() ? kNone
                        : fmt::format("{} to {}", plain_text(name, range.min), plain_text(name, range.max)),
         choice.chosen.empty() ? "none chosen" : if_any(settings_text(choice.settings))});
  }
  return table;
}

std::string setting_of(const SweepRun& run, const std::string& name) {
  const auto found = run.config.find(name);
  return found == run.config.end() ? "" : found->second;
}

ReportTable cost_table(const SweepComparison& comparison) {
  ReportTable table{
      .title = "Throughput and cost",
      .header = {comparison.axis, "runs", "samples/s", "steps", "pairs seen", "time of a run", "time in all",
                 "peak memory", "device"},
      .rows = {},
      .note = "Means over the finished runs. Times depend on the machine and on what else it did."};
  for (const SweepSystem& system : comparison.systems) {
    std::vector<double> speeds, seconds, steps, pairs, memory;
    std::set<std::string> devices;
    for (const SweepRun* run : system.runs) {
      if (!run->is_done()) continue;
      if (run->samples_per_second) speeds.push_back(*run->samples_per_second);
      if (run->steps) steps.push_back(static_cast<double>(*run->steps));
      if (!run->records.empty()) {
        seconds.push_back(run->records.back().time_s);
        pairs.push_back(static_cast<double>(run->records.back().samples_seen));
      }
      if (const auto peak = run->last_value("train/peak_memory_gib")) memory.push_back(*peak);
      if (const std::string device = setting_of(*run, "train.device"); !device.empty())
        devices.insert(device);
    }
    const auto mean = [](const std::vector<double>& values, const auto& text) {
      return values.empty() ? kNone : text(summarize(values).mean);
    };
    const auto whole = [](double value) { return with_thousands(std::llround(value)); };
    const auto duration = [](double value) { return human_seconds(value); };
    double total = 0;
    for (const double time : seconds) total += time;
    table.rows.push_back({comparison.label_of(system), fmt::format("{}", seconds.size()),
                          mean(speeds, [](double value) { return fmt::format("{:.4g}", value); }),
                          mean(steps, whole), mean(pairs, whole), mean(seconds, duration),
                          seconds.empty() ? kNone : human_seconds(total),
                          mean(memory, [](double value) { return fmt::format("{:.2f} GiB", value); }),
                          if_any(join(std::vector(devices.begin(), devices.end()), ", "))});
  }
  return table;
}

std::vector<std::string> reaching_csv(const Reaching& reaching) {
  std::vector<std::string> cells = {csv_value(reaching.target), reaching.own ? "yes" : "no"};
  if (reaching.own) {
    for (const double value :
         {reaching.own->samples, reaching.own->seconds, reaching.samples_ratio(), reaching.seconds_ratio()})
      cells.push_back(csv_value(value));
  }
  return cells;
}

// Of the first run of each system: what it was told, as far as it is not the same for all.
ReportTable settings_table(const SweepComparison& comparison) {
  ReportTable table{.title = "Settings that differ",
                    .header = {"setting"},
                    .rows = {},
                    .note = "All other settings, except for seeds and folders, are the same for all."};
  std::vector<const SweepRun*> runs;
  std::set<std::string> names;
  const bool all_known = std::ranges::all_of(comparison.systems, [](const SweepSystem& system) {
    return std::ranges::any_of(system.runs, [](const SweepRun* run) { return !run->config.empty(); });
  });
  for (const SweepSystem& system : comparison.systems) {
    const auto is_known = [](const SweepRun* run) { return !run->config.empty(); };
    const auto known = std::ranges::find_if(system.runs, is_known);
    runs.push_back(known == system.runs.end() ? system.runs.front() : *known);
    table.header.push_back(comparison.label_of(system));
    for (const auto& [name, value] : all_known ? runs.back()->config : runs.back()->settings)
      names.insert(name);
  }
  if (!all_known) {
    table.note =
        "As planned: not every system has a run with its settings yet, so that what the base recipe says is not in the table.";
  }
  for (const std::string& name : names) {
    if (name == "train.seed") continue;
    std::vector<std::string> row = {name};
    std::set<std::string> values;
    for (const SweepRun* run : runs) {
      const auto& settings = all_known ? run->config : run->settings;
      const auto found = settings.find(name);
      row.push_back(found == settings.end() ? kNone : found->second);
      values.insert(row.back());
    }
    if (values.size() > 1) table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

std::vector<ReportTable> sweep_tables(const SweepResults& sweep, const SweepComparison& comparison) {
  std::vector<ReportTable> tables;
  if (const MetricResult* const main = comparison.main_result()) {
    if (comparison.values.size() > 1) tables.push_back(main_tests_table(comparison, *main));
    if (!main->over_blocks.empty()) tables.push_back(blocks_table(comparison, /*is_of_main=*/true));
    if (!comparison.reaching.empty()) tables.push_back(reaching_table(comparison, main->name));
    for (std::size_t block = 0; block < comparison.blocks.size(); ++block)
      tables.push_back(results_table(comparison, block));
    if (!main->over_blocks.empty() && comparison.metrics.size() > 1)
      tables.push_back(blocks_table(comparison, /*is_of_main=*/false));
    if (comparison.values.size() > 1) tables.push_back(other_tests_table(comparison));
  }
  tables.push_back(overview_table(sweep, comparison));
  if (ReportTable settings = settings_table(comparison); !settings.rows.empty())
    tables.push_back(std::move(settings));
  if (!sweep.choices.empty()) tables.push_back(trials_table(sweep));
  tables.push_back(cost_table(comparison));
  return tables;
}

std::string sweep_csv(const SweepResults& sweep, const SweepComparison& comparison) {
  std::vector<std::string> header;
  for (const SweepAxis& axis : sweep.axes) header.push_back(axis.name);
  for (const char* name : {"metric",       "better",      "seeds",  "mean",        "standard_deviation",
                           "min",          "max",         "chance", "pairs",       "difference",
                           "low_95",       "high_95",     "t",      "p_t",         "p_t_holm",
                           "pairs_higher", "pairs_lower", "p_sign", "p_sign_holm", "pairs_are"})
    header.emplace_back(name);
  const std::size_t first_of_reaching = header.size();
  for (const char* name : {"value_to_reach", "is_reached", "samples_to_reach", "seconds_to_reach",
                           "samples_ratio", "seconds_ratio"})
    header.emplace_back(name);
  std::string csv;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      csv += fmt::format("{}{}", i == 0 ? "" : ",", csv_field(cells[i]));
    csv += "\n";
  };
  add_line(header);
  for (const MetricResult& metric : comparison.metrics) {
    for (const SystemResult& result : metric.systems) {
      std::vector<std::string> row = comparison.systems[result.system].runs.front()->values;
      const Summary& summary = result.summary;
      row.push_back(metric.metric);
      row.emplace_back(enum_name(metric.name.better));
      row.push_back(fmt::format("{}", summary.count));
      for (const double value :
           {summary.mean, summary.deviation, summary.min, summary.max, result.chance.value_or(std::nan(""))})
        row.push_back(csv_value(value));
      if (result.test) {
        const PairedTest& test = *result.test;
        row.push_back(fmt::format("{}", test.count));
        for (const double value : {test.mean, test.low, test.high, test.t, test.p, result.holm_p})
          row.push_back(csv_value(value));
        row.push_back(fmt::format("{}", test.num_positive));
        row.push_back(fmt::format("{}", test.num_negative));
        row.push_back(csv_value(test.sign_p));
        row.emplace_back();
        row.emplace_back("seeds");
      }
      row.resize(first_of_reaching);
      const auto reaching = std::ranges::find(comparison.reaching, result.system, &SystemReaching::system);
      if (metric.metric == comparison.main_metric && reaching != comparison.reaching.end()) {
        for (std::string& cell : reaching_csv(reaching->mean)) row.push_back(std::move(cell));
      }
      row.resize(header.size());
      add_line(row);
    }
    for (const BlockResult& result : metric.over_blocks) {
      std::map<std::string, std::string> cells = {
          {"metric", metric.metric},
          {"better", std::string(enum_name(metric.name.better))},
          {"pairs", fmt::format("{}", result.test.count)},
          {"difference", csv_value(result.test.mean)},
          {"pairs_higher", fmt::format("{}", result.test.num_positive)},
          {"pairs_lower", fmt::format("{}", result.test.num_negative)},
          {"p_sign", csv_value(result.test.sign_p)},
          {"p_sign_holm", csv_value(result.holm_sign_p)},
          {"pairs_are", "blocks"}};
      std::vector<std::string> row;
      for (const SweepAxis& axis : sweep.axes)
        row.push_back(axis.name == comparison.axis ? comparison.values[result.value] : "");
      for (std::size_t column = row.size(); column < header.size(); ++column)
        row.push_back(cells[header[column]]);
      add_line(row);
    }
  }
  return csv;
}

}  // namespace cloob

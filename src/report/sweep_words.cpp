#include "report/sweep_words.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <set>

#include "cloob/base/text.h"

namespace cloob {
namespace {

constexpr double kSignificant = 0.05;

// "ahead of" if the metric says which values are better.
std::string_view position_word(Better better, double difference) {
  if (better == Better::neither) return difference > 0 ? "above" : "below";
  return (difference > 0) == (better == Better::higher) ? "ahead of" : "behind";
}

std::string capitalized(std::string text) {
  if (!text.empty() && text.front() >= 'a' && text.front() <= 'z')
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  return text;
}

const SystemResult* result_of(const MetricResult& metric, std::size_t system) {
  const auto found = std::ranges::find(metric.systems, system, &SystemResult::system);
  return found == metric.systems.end() ? nullptr : &*found;
}

// "CLOOB (38.1 %)", in a block "CLOOB (model=RN50; 38.1 %)".
std::string with_mean(const SweepComparison& comparison, const MetricResult& metric, std::size_t system) {
  const SweepSystem& of = comparison.systems[system];
  const SystemResult* const result = result_of(metric, system);
  if (result == nullptr) return comparison.label_of(of);
  const std::string& block = comparison.blocks[of.block];
  return fmt::format("{} ({}{}{})", comparison.values[of.value], block, block.empty() ? "" : "; ",
                     value_text(metric.name, result->summary.mean));
}

std::size_t baseline_index(const SweepComparison& comparison, const SweepSystem& system) {
  for (std::size_t i = 0; i < comparison.systems.size(); ++i) {
    const SweepSystem& other = comparison.systems[i];
    if (other.block == system.block && other.value == comparison.baseline) return i;
  }
  return comparison.shared_baseline.value_or(comparison.systems.size());
}

// What the seeds say about one system and the baseline of its block.
std::string sentence_over_seeds(const SweepComparison& comparison, const MetricResult& metric,
                                const SystemResult& result) {
  const SweepSystem& system = comparison.systems[result.system];
  const std::size_t base = baseline_index(comparison, system);
  if (base == comparison.systems.size() || !result.test) return {};
  const std::string label = comparison.label_of(system);
  const std::string with = with_mean(comparison, metric, result.system),
                    with_base = with_mean(comparison, metric, base);
  const PairedTest& test = *result.test;
  const std::string size = difference_text(metric.name, std::abs(test.mean));
  const std::string_view position = position_word(metric.name.better, test.mean);
  if (test.count == 0) {
    return fmt::format("{} and {} cannot be compared: there is no seed with which both have finished.", label,
                       comparison.label_of(comparison.systems[base]));
  }
  if (test.count == 1) {
    return fmt::format("From a single seed nothing can be concluded; with it, {} is {} {} by {}.", with,
                       position, with_base, size);
  }
  if (std::isnan(test.p)) {
    return fmt::format(
        "{} and {} differ by exactly {} with each of {} seeds, and without any spread a t-test is not defined.",
        with, with_base, size, count_word(test.count));
  }
  const double sign = test.mean < 0 ? -1 : 1;
  const std::string interval = interval_text(metric.name, std::min(sign * test.low, sign * test.high),
                                             std::max(sign * test.low, sign * test.high));
  if (result.holm_p < kSignificant) {
    return fmt::format("{} is {} {} by {} (95 % interval {}, {}).", with, position, with_base, size, interval,
                       p_phrase(result.holm_p));
  }
  return fmt::format(
      "No difference between {} and {} can be concluded: {} is {} by {} (95 % interval {}, {}).", with,
      with_base, label, position == "ahead of" ? "ahead" : position, size, interval, p_phrase(result.holm_p));
}

// How the intervals and p values above came about.
std::string sentence_about_tests(const MetricResult& metric) {
  std::set<std::int64_t> seeds;
  for (const SystemResult& result : metric.systems) {
    if (result.test && !std::isnan(result.test->p)) seeds.insert(result.test->count);
  }
  if (seeds.empty()) return {};
  const std::size_t num_tests = static_cast<std::size_t>(std::ranges::count_if(
      metric.systems, [](const SystemResult& result) { return result.test && !std::isnan(result.test->p); }));
  const std::string range =
      seeds.size() == 1 ? count_word(*seeds.begin())
                        : fmt::format("{} to {}", count_word(*seeds.begin()), count_word(*seeds.rbegin()));
  return num_tests == 1 ? fmt::format("Paired t-test over {} seeds.", range)
                        : fmt::format("Paired t-tests over {} seeds, p corrected for {} comparisons (Holm).",
                                      range, num_tests);
}

std::string sentence_over_blocks(const SweepComparison& comparison, const MetricResult& metric,
                                 const BlockResult& result) {
  const PairedTest& test = result.test;
  const std::string& value = comparison.values[result.value];
  const std::string& base = comparison.values[comparison.baseline];
  const std::int64_t wins = metric.name.better == Better::lower ? test.num_negative : test.num_positive;
  const std::string_view word = metric.name.better == Better::neither ? "above" : "ahead of";
  const std::string_view average = position_word(metric.name.better, test.mean);
  return fmt::format("{} is {} {} in {} of {} and on average {} by {} ({}{}).", value, word, base, wins,
                     test.count, average == "ahead of" ? "ahead" : average,
                     difference_text(metric.name, std::abs(test.mean)), p_phrase(result.holm_sign_p),
                     result.holm_sign_p < kSignificant ? "" : ", so that no difference can be concluded");
}

// What stands before and after the sentences over blocks.
std::string frame_of_blocks(const SweepComparison& comparison, const MetricResult& metric,
                            const std::vector<std::string>& sentences) {
  std::int64_t most = 0, clear = 0, tests = 0;
  for (const BlockResult& result : metric.over_blocks) most = std::max(most, result.test.count);
  for (const SystemResult& result : metric.systems) {
    if (!result.test || std::isnan(result.test->p)) continue;
    ++tests;
    if (result.holm_p < kSignificant) ++clear;
  }
  std::string text =
      fmt::format("Over {} combinations of {}, {} Sign tests{}", most, list_text(comparison.block_axes),
                  join(sentences, " "),
                  metric.over_blocks.size() > 1
                      ? fmt::format(", p corrected for {} comparisons (Holm)", metric.over_blocks.size())
                      : "");
  if (min_sign_test_p(most) >= kSignificant)
    text += fmt::format("; with so few combinations they cannot be below p = {:.2g}{}", min_sign_test_p(most),
                        metric.over_blocks.size() > 1 ? " even without it" : "");
  if (tests > 0) {
    text +=
        fmt::format(". Over the seeds within a combination, {} of {} t-tests are below 0.05 after correction",
                    clear, tests);
  }
  return text + ".";
}

std::int64_t most_seeds(const MetricResult& metric) {
  std::int64_t most = 0;
  for (const SystemResult& result : metric.systems) {
    if (result.test) most = std::max(most, result.test->count);
  }
  return most;
}

std::string sentence_about_seeds(std::int64_t seeds) {
  if (seeds < 2 || min_sign_test_p(seeds) < kSignificant) return {};
  return fmt::format(
      "With {} seeds a sign test cannot be below p = {:.4g}, whatever comes out; the t-test can, but it takes for granted that "
      "differences between seeds are normally distributed, which so few cannot show.",
      count_word(seeds), min_sign_test_p(seeds));
}

std::vector<std::string> labels_at_chance(const SweepComparison& comparison, const MetricResult& metric) {
  std::vector<std::string> labels;
  for (const SystemResult& result : metric.systems) {
    if (!result.is_at_chance) continue;
    labels.push_back(fmt::format("{} ({}, chance {})", comparison.label_of(comparison.systems[result.system]),
                                 value_text(metric.name, result.summary.mean),
                                 value_text(metric.name, *result.chance)));
  }
  return labels;
}

struct StatusCounts {
  std::int64_t total = 0, done = 0;
  std::vector<std::string> failed, stopped;
  std::int64_t waiting = 0;
};

StatusCounts count_status(const SweepResults& sweep) {
  StatusCounts counts;
  for (const SweepRun* run : sweep.finals()) {
    ++counts.total;
    if (run->is_done()) {
      ++counts.done;
    } else if (run->status == "failed") {
      counts.failed.push_back(run->name);
    } else if (run->status == "stopped") {
      counts.stopped.push_back(run->name);
    } else {
      ++counts.waiting;
    }
  }
  return counts;
}

std::string sentence_about_status(const SweepResults& sweep) {
  const StatusCounts counts = count_status(sweep);
  if (counts.done == counts.total) return {};
  std::string text =
      fmt::format("The sweep is not complete: {} of {} are done", counts.done, counted(counts.total, "run"));
  if (!counts.failed.empty()) text += fmt::format(", {} failed", counts.failed.size());
  if (!counts.stopped.empty()) text += fmt::format(", {} stopped on the way", counts.stopped.size());
  if (counts.waiting > 0) text += fmt::format(", {} not finished", counts.waiting);
  return text + ". Only finished runs count below, and only seeds that both systems have are paired.";
}

// How often the values differ from the baseline in the measures besides the main one.
std::string sentence_about_others(const SweepComparison& comparison, const MetricResult& main) {
  std::vector<std::string> counts;
  int most = 0;
  for (const SystemResult& system : main.systems) {
    int better = 0, worse = 0, tested = 0;
    for (const MetricResult& metric : comparison.metrics) {
      const SystemResult* const result = result_of(metric, system.system);
      const bool has_test = result != nullptr && result->test && !std::isnan(result->test->p);
      // Losses of different objectives are not comparable.
      if (!has_test || metric.metric == main.metric || metric.name.better == Better::neither ||
          metric.name.group == MetricGroup::loss)
        continue;
      ++tested;
      if (result->holm_p >= kSignificant) continue;
      const bool is_better = (result->test->mean > 0) == (metric.name.better == Better::higher);
      ++(is_better ? better : worse);
    }
    most = std::max(most, tested);
    if (tested > 0) {
      counts.push_back(fmt::format("{} is better in {} and worse in {}",
                                   comparison.label_of(comparison.systems[system.system]), better, worse));
    }
  }
  if (counts.empty()) return {};
  return fmt::format(
      "Of {} that have a direction, besides losses, with p below 0.05: {} (not corrected for the number of measures).",
      counted(most, "other measure"), list_text(counts));
}

std::string sentence_about_trials(const SweepResults& sweep) {
  if (!sweep.search || sweep.choices.empty()) return {};
  std::set<std::int64_t> numbers;
  for (const SweepChoice& choice : sweep.choices) {
    numbers.insert(std::ranges::count_if(choice.trials,
                                         [](const SweepTrial& trial) { return trial.score.has_value(); }));
  }
  if (numbers.size() == 1) {
    return fmt::format("Every variant had {} of its own settings, of which {} chose one.",
                       counted(*numbers.begin(), "trial"), metric_name(sweep.search->metric).label);
  }
  return fmt::format(
      "The variants did not have the same number of trials with a result (between {} and {}): the one that had more is at an "
      "advantage.",
      *numbers.begin(), *numbers.rbegin());
}

void add_if_any(std::vector<std::string>& all, std::string text) {
  if (!text.empty()) all.push_back(std::move(text));
}

std::string sentence_of_one_value(const SweepComparison& comparison, const MetricResult& metric) {
  std::vector<std::string> means;
  for (const SystemResult& result : metric.systems) {
    means.push_back(fmt::format(
        "{} {}{}", comparison.label_of(comparison.systems[result.system]),
        value_text(metric.name, result.summary.mean),
        std::isnan(result.summary.deviation)
            ? " (one seed)"
            : fmt::format(" (standard deviation {} over {} seeds)",
                          difference_text(metric.name, result.summary.deviation), result.summary.count)));
  }
  return fmt::format("Nothing is compared, since '{}' has a single value. {}: {}.", comparison.axis,
                     metric.name.label, list_text(means));
}

std::string trials_on_reported_data(const SweepResults& sweep) {
  const auto data_of = [](const SweepRun& run) {
    const auto found = run.config.find("data.val");
    return found == run.config.end() ? std::string() : found->second;
  };
  for (const SweepRun& trial : sweep.runs) {
    if (!trial.is_trial || data_of(trial).empty()) continue;
    for (const SweepRun* run : sweep.finals()) {
      if (run->values == trial.values && data_of(*run) == data_of(trial)) {
        return fmt::format(
            "Trials were judged on the same data ({}) as the final runs: what was chosen on them looks better than it is. Give "
            "trials another data.val.",
            data_of(trial));
      }
    }
  }
  return {};
}

}  // namespace

std::string p_phrase(double p) {
  if (std::isnan(p)) return "no p";
  return p < 0.001 ? "p < 0.001" : fmt::format("p = {:.2g}", p);
}

std::string p_cell(double p) {
  if (std::isnan(p)) return "-";
  return p < 0.001 ? "<0.001" : fmt::format("{:.3f}", p);
}

std::string interval_text(const MetricName& name, double low, double high) {
  if (std::isnan(low) || std::isnan(high)) return "-";
  return name.is_fraction ? fmt::format("{:.1f} to {:.1f} points", 100 * low, 100 * high)
                          : fmt::format("{:.3g} to {:.3g}", low, high);
}

std::string list_text(const std::vector<std::string>& items, std::size_t max) {
  std::string text;
  const std::size_t shown = items.size() > max ? max : items.size();
  for (std::size_t i = 0; i < shown; ++i) {
    const bool is_last = i + 1 == items.size();
    text += (i == 0 ? "" : is_last ? " and " : ", ") + items[i];
  }
  return shown < items.size() ? fmt::format("{} and {} more", text, items.size() - shown) : text;
}

std::string settings_text(const std::map<std::string, std::string>& settings) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : settings) parts.push_back(name + "=" + value);
  return join(parts, ", ");
}

std::string count_word(std::int64_t count) {
  constexpr std::array<std::string_view, 13> kWords = {"no",   "one",    "two",   "three", "four",
                                                       "five", "six",    "seven", "eight", "nine",
                                                       "ten",  "eleven", "twelve"};
  return count >= 0 && count < std::ssize(kWords) ? std::string(kWords[static_cast<std::size_t>(count)])
                                                  : with_thousands(count);
}

std::vector<std::string> sweep_verdict(const SweepResults& sweep, const SweepComparison& comparison) {
  constexpr std::size_t kMaxSentences = 6;
  std::vector<std::string> verdict;
  const MetricResult* const main = comparison.main_result();
  const std::string status = sentence_about_status(sweep);
  if (main == nullptr) {
    const StatusCounts counts = count_status(sweep);
    verdict.push_back(fmt::format(
        "Nothing can be concluded yet: {}.",
        counts.done == 0 ? fmt::format("none of the {} has finished", counted(counts.total, "run"))
                         : "no finished run has an evaluation"));
    add_if_any(verdict, status);
    return verdict;
  }
  const std::vector<std::string> at_chance = labels_at_chance(comparison, *main);
  std::string first;
  if (!at_chance.empty() && at_chance.size() == main->systems.size())
    first = "Nothing can be concluded: no system has left the level of chance. ";
  if (comparison.values.size() < 2) {
    verdict.push_back(first + sentence_of_one_value(comparison, *main));
    add_if_any(verdict, status);
    return verdict;
  }
  std::vector<std::string> sentences;
  for (const BlockResult& result : main->over_blocks)
    sentences.push_back(sentence_over_blocks(comparison, *main, result));
  const bool is_over_blocks = !sentences.empty();
  if (!is_over_blocks) {
    for (const SystemResult& result : main->systems)
      add_if_any(sentences, sentence_over_seeds(comparison, *main, result));
  }
  if (sentences.size() > kMaxSentences) {
    const auto left_out = static_cast<std::int64_t>(sentences.size() - kMaxSentences);
    sentences.resize(kMaxSentences);
    sentences.push_back(fmt::format("{} in the table.", counted(left_out, "more comparison")));
  }
  if (sentences.empty()) {
    sentences.push_back(fmt::format("Nothing can be concluded: '{}' has no finished run to compare with.",
                                    comparison.values[comparison.baseline]));
  } else if (!is_over_blocks) {
    add_if_any(sentences, sentence_about_tests(*main));
  }
  verdict.push_back(
      fmt::format("{}{}: {}", first, capitalized(main->name.label),
                  is_over_blocks ? frame_of_blocks(comparison, *main, sentences) : join(sentences, " ")));
  if (!at_chance.empty() && first.empty()) {
    verdict.push_back(fmt::format(
        "Still at the level of chance: {}. What was measured says nothing about how a system does once it has left it.",
        list_text(at_chance)));
  }
  add_if_any(verdict, status);
  add_if_any(verdict, sentence_about_seeds(most_seeds(*main)));
  if (comparison.blocks.size() == 1) add_if_any(verdict, sentence_about_others(comparison, *main));
  add_if_any(verdict, sentence_about_trials(sweep));
  return verdict;
}

std::vector<std::string> sweep_problems(const SweepResults& sweep, const SweepComparison& comparison) {
  constexpr std::size_t kMaxNames = 12;
  std::vector<std::string> problems;
  const StatusCounts counts = count_status(sweep);
  if (!counts.failed.empty())
    problems.push_back("Failed: " + list_text(counts.failed, kMaxNames) +
                       ". The file runs/NAME.log says why.");
  if (!counts.stopped.empty())
    problems.push_back("Stopped on the way: " + list_text(counts.stopped, kMaxNames) + ".");
  std::vector<std::string> failed_trials, without_metrics, nan;
  for (const SweepRun& run : sweep.runs) {
    if (run.is_trial && run.status == "failed") failed_trials.push_back(run.name);
    if (!run.is_trial && run.is_done() && run.metrics.empty()) without_metrics.push_back(run.name);
    if (!run.problem.empty())
      problems.push_back(fmt::format("The files of {} could not be read: {}.", run.name, run.problem));
  }
  if (!failed_trials.empty())
    problems.push_back("Failed trials: " + list_text(failed_trials, kMaxNames) + ".");
  if (!without_metrics.empty())
    problems.push_back("Finished without any evaluation: " + list_text(without_metrics, kMaxNames) + ".");
  for (const NotANumber& value : comparison.not_numbers)
    nan.push_back(fmt::format("{} of {}", metric_name(value.metric).label, value.run));
  if (!nan.empty())
    problems.push_back("Not a number, and left out of means and tests: " + list_text(nan, kMaxNames) + ".");
  for (std::size_t i = 0; i < comparison.systems.size(); ++i) {
    if (baseline_index(comparison, comparison.systems[i]) == comparison.systems.size()) {
      problems.push_back(
          fmt::format("{} is not compared: there is no {} with the same values of the other axes.",
                      comparison.label_of(comparison.systems[i]), comparison.values[comparison.baseline]));
    }
  }
  if (comparison.shared_baseline) {
    problems.push_back(fmt::format(
        "{} is the only run of its kind: everything is compared with it, also for other values of {}.",
        comparison.label_of(comparison.systems[*comparison.shared_baseline]),
        join(comparison.block_axes, ", ")));
  }
  add_if_any(problems, trials_on_reported_data(sweep));
  return problems;
}

}  // namespace cloob

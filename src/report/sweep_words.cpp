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
  if (difference == 0) return "equal to";
  if (better == Better::neither) return difference > 0 ? "above" : "below";
  return (difference > 0) == (better == Better::higher) ? "ahead of" : "behind";
}

// "ahead", without saying of what.
std::string_view without_object(std::string_view position) {
  if (position == "ahead of") return "ahead";
  return position == "equal to" ? "equal" : position;
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
std::string with_mean(const SweepComparison& comparison, const MetricName& name, const SweepSystem& system,
                      double mean) {
  const std::string& block = comparison.blocks[system.block];
  return fmt::format("{} ({}{}{})", comparison.values[system.value], block, block.empty() ? "" : "; ",
                     value_text(name, mean));
}

// " by 3.1 points", unless there is nothing between them.
std::string by_size(const MetricName& name, double difference) {
  return difference == 0 ? "" : fmt::format(" by {}", difference_text(name, std::abs(difference)));
}

// Whether there is a seed with which both have finished.
bool share_a_seed(const SweepSystem& a, const SweepSystem& b) {
  return std::ranges::any_of(a.runs, [&](const SweepRun* run) {
    return run->is_done() && std::ranges::any_of(b.runs, [&](const SweepRun* other) {
             return other->is_done() && other->seed == run->seed;
           });
  });
}

// What the seeds say about one system and the baseline of its block; of a single seed, without what leads to it.
std::string sentence_over_seeds(const SweepComparison& comparison, const MetricResult& metric,
                                const SystemResult& result) {
  const SweepSystem& system = comparison.systems[result.system];
  const auto base_index = comparison.baseline_of(system);
  if (!base_index) return {};
  const SweepSystem& base = comparison.systems[*base_index];
  const std::string label = comparison.label_of(system);
  if (result.is_other_objective) {
    return fmt::format("{} ({}) and {} ({}): losses of different objectives cannot be compared.", label,
                       objective_of(system), comparison.label_of(base), objective_of(base));
  }
  if (!result.test) return {};
  const PairedTest& test = *result.test;
  if (test.count == 0) {
    return fmt::format("{} and {} cannot be compared: there is no seed with which both have {}.", label,
                       comparison.label_of(base), share_a_seed(system, base) ? "a number" : "finished");
  }
  const std::string with = with_mean(comparison, metric.name, system, result.paired_mean),
                    with_base = with_mean(comparison, metric.name, base, result.paired_baseline_mean);
  const std::string size = by_size(metric.name, test.mean);
  const std::string_view position = position_word(metric.name.better, test.mean);
  if (test.count == 1) return fmt::format("{} is {} {}{}", with, position, with_base, size);
  if (std::isnan(test.p)) {
    return fmt::format(
        "{} is {} {}{} with each of {} seeds, and without any spread a t-test is not defined.", with,
        position, with_base,
        test.mean == 0 ? "" : " by exactly " + difference_text(metric.name, std::abs(test.mean)),
        count_word(test.count));
  }
  const double sign = test.mean < 0 ? -1 : 1;
  const std::string interval = interval_text(metric.name, std::min(sign * test.low, sign * test.high),
                                             std::max(sign * test.low, sign * test.high));
  if (result.holm_p < kSignificant) {
    return fmt::format("{} is {} {}{} (95 % interval {}, {}).", with, position, with_base, size, interval,
                       p_phrase(result.holm_p));
  }
  return fmt::format("No difference between {} and {} can be concluded: {} (95 % interval {}, {}).", with,
                     with_base,
                     test.mean == 0 ? "on average they are equal"
                                    : fmt::format("{} is {}{}", label, without_object(position), size),
                     interval, p_phrase(result.holm_p));
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
  return fmt::format("{} is {} {} in {} of {} and on average {}{} ({}{}).", value, word, base, wins,
                     test.count, without_object(average), by_size(metric.name, test.mean),
                     p_phrase(result.holm_sign_p),
                     result.holm_sign_p < kSignificant ? "" : ", so that no difference can be concluded");
}

std::int64_t most_blocks(const MetricResult& metric) {
  std::int64_t most = 0;
  for (const BlockResult& result : metric.over_blocks) most = std::max(most, result.test.count);
  return most;
}

// What stands before and after the sentences over blocks.
std::string frame_of_blocks(const SweepComparison& comparison, const MetricResult& metric,
                            const std::vector<std::string>& sentences) {
  const std::int64_t most = most_blocks(metric);
  std::int64_t clear = 0, tests = 0;
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

constexpr std::size_t kMaxSentences = 6;

void shorten(std::vector<std::string>& sentences) {
  if (sentences.size() <= kMaxSentences) return;
  const auto left_out = static_cast<std::int64_t>(sentences.size() - kMaxSentences);
  sentences.resize(kMaxSentences);
  sentences.push_back(fmt::format("{} in the table.", counted(left_out, "more comparison")));
}

std::string verdict_over_blocks(const SweepComparison& comparison, const MetricResult& metric) {
  std::vector<std::string> sentences;
  for (const BlockResult& result : metric.over_blocks)
    sentences.push_back(sentence_over_blocks(comparison, metric, result));
  if (sentences.empty()) return {};
  shorten(sentences);
  return frame_of_blocks(comparison, metric, sentences);
}

std::string verdict_over_seeds(const SweepComparison& comparison, const MetricResult& metric) {
  std::vector<std::string> sentences, of_one_seed;
  for (const SystemResult& result : metric.systems) {
    std::string sentence = sentence_over_seeds(comparison, metric, result);
    const bool is_of_one_seed = result.test && result.test->count == 1;
    if (!sentence.empty()) (is_of_one_seed ? of_one_seed : sentences).push_back(std::move(sentence));
  }
  if (!of_one_seed.empty()) {
    sentences.push_back(fmt::format("From a single seed nothing can be concluded; with it, {}.",
                                    list_text(of_one_seed, kMaxSentences)));
  }
  if (sentences.empty()) {
    return fmt::format("Nothing can be concluded: '{}' has no finished run to compare with.",
                       comparison.values[comparison.baseline]);
  }
  shorten(sentences);
  if (std::string tests = sentence_about_tests(metric); !tests.empty()) sentences.push_back(std::move(tests));
  return join(sentences, " ");
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

bool has_finished(const SweepSystem& system) {
  return std::ranges::any_of(system.runs, [](const SweepRun* run) { return run->is_done(); });
}

// Those that sentences about the metric cannot speak of.
std::string sentence_about_missing(const SweepComparison& comparison, const MetricResult& metric) {
  std::vector<std::string> missing;
  for (std::size_t value = 0; value < comparison.values.size(); ++value) {
    std::vector<std::string> without_run, without_number;
    std::size_t of_value = 0;
    for (std::size_t i = 0; i < comparison.systems.size(); ++i) {
      const SweepSystem& system = comparison.systems[i];
      if (system.value != value) continue;
      ++of_value;
      if (result_of(metric, i) == nullptr)
        (has_finished(system) ? without_number : without_run).push_back(comparison.label_of(system));
    }
    for (const auto& [labels, reason] : {std::pair(&without_run, "no finished run"),
                                         std::pair(&without_number, "not a number in any finished run")}) {
      if (labels->size() == of_value) *labels = {comparison.values[value]};
      for (const std::string& label : *labels) missing.push_back(fmt::format("{} ({})", label, reason));
    }
  }
  return missing.empty() ? "" : fmt::format("Without a result: {}.", list_text(missing));
}

// In a verdict over blocks, which has no sentences over seeds.
std::string sentence_about_objectives(const SweepComparison& comparison, const MetricResult& metric) {
  std::vector<std::string> labels;
  for (const SystemResult& result : metric.systems) {
    if (result.is_other_objective) labels.push_back(comparison.label_of(comparison.systems[result.system]));
  }
  if (labels.empty()) return {};
  return fmt::format("Losses of different objectives cannot be compared: {} left out.", list_text(labels));
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

// "36,000 (0.50 times as many) and 12m 30s (0.55 times)".
std::string arrival_text(const Reaching& reaching) {
  std::string text = with_thousands(std::llround(reaching.own->samples));
  if (const double ratio = reaching.samples_ratio(); !std::isnan(ratio))
    text += fmt::format(" ({:.2f} times as many)", ratio);
  text += fmt::format(" and {}", human_seconds(reaching.own->seconds));
  if (const double ratio = reaching.seconds_ratio(); !std::isnan(ratio))
    text += fmt::format(" ({:.2f} times)", ratio);
  return text;
}

std::string sentence_about_reaching(const SweepComparison& comparison, const MetricName& name) {
  std::vector<std::string> parts, missing;
  std::string base;
  for (const SystemReaching& reaching : comparison.reaching) {
    const SweepSystem& system = comparison.systems[reaching.system];
    const std::string label = comparison.label_of(system);
    if (system.value == comparison.baseline) {
      base = fmt::format("{} first has its final value of {} ({}) after {} samples and {}", label, name.label,
                         value_text(name, reaching.mean.target),
                         with_thousands(std::llround(reaching.mean.own->samples)),
                         human_seconds(reaching.mean.own->seconds));
    } else if (reaching.mean.own) {
      parts.push_back(fmt::format("{} after {}", label, arrival_text(reaching.mean)));
    } else {
      missing.push_back(label);
    }
  }
  if (base.empty() || (parts.empty() && missing.empty())) return {};
  if (!parts.empty()) base += ", " + list_text(parts);
  if (!missing.empty())
    base += fmt::format("; {} {} not reach it", list_text(missing), missing.size() == 1 ? "does" : "do");
  return base + ".";
}

// Over several blocks, how often each value gets there and how soon.
std::string sentence_about_reaching_in_blocks(const SweepComparison& comparison, const MetricName& name) {
  std::vector<std::string> parts;
  for (std::size_t value = 0; value < comparison.values.size(); ++value) {
    if (value == comparison.baseline) continue;
    std::vector<double> samples, seconds;
    std::int64_t systems = 0, reached = 0;
    for (const SystemReaching& reaching : comparison.reaching) {
      if (comparison.systems[reaching.system].value != value) continue;
      ++systems;
      if (!reaching.mean.own) continue;
      ++reached;
      if (!std::isnan(reaching.mean.samples_ratio())) samples.push_back(reaching.mean.samples_ratio());
      if (!std::isnan(reaching.mean.seconds_ratio())) seconds.push_back(reaching.mean.seconds_ratio());
    }
    if (systems == 0) continue;
    std::string part = fmt::format("{} in {} of {}", comparison.values[value], reached, systems);
    const Summary of_samples = summarize(samples), of_seconds = summarize(seconds);
    if (of_samples.count > 0 && of_seconds.count > 0) {
      part += fmt::format(" with {:.2f} to {:.2f} times the samples and {:.2f} to {:.2f} times the time",
                          of_samples.min, of_samples.max, of_seconds.min, of_seconds.max);
    }
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return {};
  return fmt::format("The final {} of {} is reached by {}.", name.label,
                     comparison.values[comparison.baseline], list_text(parts));
}

std::string sentence_about_trials(const SweepResults& sweep) {
  if (sweep.choices.empty()) return {};
  if (!sweep.search) {
    return "The sweeps did not choose among trials in the same way: the one that had more of them, or the better measure, is at "
           "an advantage.";
  }
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
  for (const SweepRun& trial : sweep.runs) {
    if (!trial.is_trial) continue;
    for (const SweepRun* run : sweep.finals()) {
      if (run->values != trial.values) continue;
      const auto shared = std::ranges::find_first_of(trial.judged_on, run->judged_on);
      if (shared == trial.judged_on.end()) continue;
      return fmt::format(
          "Trials were judged on the same data ({}) as the final runs: what was chosen on them looks better than it is. Give "
          "the trials other data to be judged on.",
          *shared);
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
  const std::string missing = sentence_about_missing(comparison, *main);
  if (!at_chance.empty() && at_chance.size() == main->systems.size()) {
    verdict.push_back(fmt::format("Nothing can be concluded: no system has left the level of chance. {}: {}.",
                                  capitalized(main->name.label), list_text(at_chance)));
    for (const std::string& text : {missing, status}) add_if_any(verdict, text);
    return verdict;
  }
  if (comparison.values.size() < 2) {
    verdict.push_back(sentence_of_one_value(comparison, *main));
    for (const std::string& text : {missing, status}) add_if_any(verdict, text);
    return verdict;
  }
  // What leads is what can conclude something: the sign test over blocks, or, if they are too few, each of them by itself.
  const std::string over_blocks = verdict_over_blocks(comparison, *main);
  const bool blocks_lead = !over_blocks.empty() && min_sign_test_p(most_blocks(*main)) < kSignificant;
  verdict.push_back(fmt::format("{}: {}", capitalized(main->name.label),
                                blocks_lead ? over_blocks : verdict_over_seeds(comparison, *main)));
  if (!blocks_lead) add_if_any(verdict, over_blocks);
  if (blocks_lead) add_if_any(verdict, sentence_about_objectives(comparison, *main));
  if (!at_chance.empty()) {
    verdict.push_back(fmt::format(
        "Still at the level of chance: {}. What was measured says nothing about how a system does once it has left it.",
        list_text(at_chance)));
  }
  add_if_any(verdict, comparison.blocks.size() == 1
                          ? sentence_about_reaching(comparison, main->name)
                          : sentence_about_reaching_in_blocks(comparison, main->name));
  add_if_any(verdict, missing);
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
    if (!comparison.baseline_of(comparison.systems[i])) {
      problems.push_back(
          fmt::format("{} is not compared: there is no {} with the same values of the other axes.",
                      comparison.label_of(comparison.systems[i]), comparison.values[comparison.baseline]));
    }
  }
  for (const std::size_t shared : comparison.shared_baselines) {
    problems.push_back(fmt::format(
        "{} is the only run of its kind: everything{} is compared with it, also for other values of {}.",
        comparison.label_of(comparison.systems[shared]),
        comparison.systems[shared].sweep.empty() ? "" : " of its sweep", join(comparison.block_axes, ", ")));
  }
  add_if_any(problems, trials_on_reported_data(sweep));
  return problems;
}

}  // namespace cloob

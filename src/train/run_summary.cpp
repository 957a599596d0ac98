#include "train/run_summary.h"

#include <fmt/core.h>

#include "cloob/base/shell_word.h"
#include "cloob/base/text.h"
#include "cloob/report/metric_names.h"
#include "train/chance_watch.h"

namespace cloob {
namespace {

std::string loss_and_time(const RunSummary& summary) {
  std::string text = fmt::format("finished after {} steps in {}", with_thousands(summary.state.step),
                                 human_seconds(summary.state.time_s));
  if (summary.loss) text += fmt::format(": loss {:.4f}", *summary.loss);
  if (summary.loss && summary.chance_loss) {
    const bool has_learned = *summary.loss < kLearnedShareOfChance * *summary.chance_loss;
    text += fmt::format(" (chance {:.4f}{})", *summary.chance_loss,
                        has_learned ? "" : ": the model has learned nothing");
  }
  return text;
}

}  // namespace

std::string short_list(const NamedNumbers& metrics) {
  std::string list;
  for (const auto& [name, value] : metrics) {
    const MetricGroup group = metric_name(name).group;
    if (group == MetricGroup::features || group == MetricGroup::saturation || name.ends_with("_rank") ||
        name.ends_with("R@5") || name.ends_with("_seconds") || name.ends_with("chance_loss"))
      continue;
    list += fmt::format("{}{} {:.4g}", list.empty() ? "" : ", ", name.substr(name.find('/') + 1), value);
  }
  return list;
}

std::vector<std::string> sentences(const RunSummary& summary) {
  const TrainingState& state = summary.state;
  const std::string run = summary.run_folder.string();
  std::vector<std::string> lines = {loss_and_time(summary)};
  if (!state.metrics.empty()) {
    lines.push_back(fmt::format("evaluation of step {}: {}", with_thousands(state.evaluated_step),
                                short_list({state.metrics.begin(), state.metrics.end()})));
  }
  if (summary.best_step) {
    lines.push_back(fmt::format("best {}: step {}, {}/checkpoints/best", summary.best_metric,
                                with_thousands(*summary.best_step), run));
  }
  if (const std::int64_t total = summary.bad_samples.total(); total > 0) {
    lines.push_back(fmt::format("{} of {} samples were unusable: {}; see {}/data_report.json",
                                with_thousands(total), with_thousands(state.samples_seen + state.bad_samples),
                                summary.bad_samples.by_kind(), run));
  }
  const std::string word = shell_word(run);
  std::vector<std::string> next = {"cloob report " + word,
                                   fmt::format("cloob eval zero-shot {} --data FOLDER", word)};
  if (summary.has_weights_to_export)
    next.push_back(fmt::format("cloob weights export {} --format open_clip --out FOLDER", word));
  next.back() = "or " + next.back();
  lines.push_back("next: " + join(next, ", "));
  return lines;
}

}  // namespace cloob

// What a run says when it ends.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cloob/checkpoint/checkpoint.h"
#include "cloob/data/bad_samples.h"
#include "cloob/report/named_numbers.h"

namespace cloob {

struct RunSummary {
  const TrainingState& state;             ///< at the end
  std::filesystem::path run_folder;       ///< also where the data report and the checkpoints are
  std::optional<double> loss;             ///< of the last line of metrics
  std::optional<double> chance_loss;      ///< what it would be if nothing had been learned
  BadSampleCounts bad_samples;            ///< over all restarts
  std::optional<std::int64_t> best_step;  ///< of the checkpoint that is best by `best_metric`
  std::string best_metric;
  bool has_weights_to_export = true;  ///< false: what was trained is not in the towers
};

/// The most interesting metrics of an evaluation, like "loss 3.21, image_to_text_R@1 0.04".
std::string short_list(const NamedNumbers& metrics);

/// One line each: loss and time, the last evaluation, the best checkpoint, unusable samples, and what to do next.
std::vector<std::string> sentences(const RunSummary& summary);

}  // namespace cloob

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

enum class BestMode { max, min };

template <>
struct EnumNames<BestMode> {
  static constexpr std::array<std::pair<std::string_view, BestMode>, 2> names = {
      {{"max", BestMode::max}, {"min", BestMode::min}}};
};

struct CheckpointConfig {
  std::int64_t every_steps = 0;
  std::int64_t every_epochs = 1;
  double every_minutes = 0;
  bool at_end = true;
  std::int64_t keep_last = 3;
  std::string best_metric;
  std::optional<BestMode> best_mode;
  bool sharded = false;

  static constexpr auto fields() {
    return std::tuple(
        field("every_steps", &CheckpointConfig::every_steps,
              "Save a checkpoint every this many optimizer steps; 0 disables this.", {0, 1e12}),
        field("every_epochs", &CheckpointConfig::every_epochs,
              "Save a checkpoint every this many epochs; 0 disables this.", {0, 1e9}),
        field("every_minutes", &CheckpointConfig::every_minutes,
              "Save a checkpoint when this many minutes have passed since the last one; 0 disables this.",
              {0, 1e6}),
        field("at_end", &CheckpointConfig::at_end,
              "Save a checkpoint at the end of the run. An interrupted run is saved in any case."),
        field("keep_last", &CheckpointConfig::keep_last,
              "Number of most recent checkpoints to keep, in addition to the best one; 0 keeps all.",
              {0, 1e9}),
        field("best_metric", &CheckpointConfig::best_metric,
              "Metric whose best checkpoint is kept regardless of its age, for example "
              "val/image_to_text_R@1; empty keeps none for its metric. Only checkpoints at whose step the "
              "metric was measured are compared."),
        field("best_mode", &CheckpointConfig::best_mode,
              "Whether the largest (max) or the smallest (min) value of best_metric is best. Unset: min "
              "for losses and ranks (names that end in loss, _mean_rank or _median_rank), max for all "
              "others."),
        field(
            "sharded", &CheckpointConfig::sharded,
            "With several ranks: whether each writes its part of the training state, instead of rank 0 all of it. Needs a "
            "run folder that all ranks share. Such a checkpoint can be resumed with any number of ranks."));
  }
};
static_assert(lists_every_member<CheckpointConfig>);

}  // namespace cloob

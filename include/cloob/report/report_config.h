#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// How progress is shown on standard error. `auto_` is spelled `auto` in YAML (a keyword here).
enum class ProgressStyle { auto_, bar, lines, none };

template <>
struct EnumNames<ProgressStyle> {
  static constexpr std::array<std::pair<std::string_view, ProgressStyle>, 4> names = {
      {{"auto", ProgressStyle::auto_},
       {"bar", ProgressStyle::bar},
       {"lines", ProgressStyle::lines},
       {"none", ProgressStyle::none}}};
};

/// What a run reports about its training.
struct ReportConfig {
  std::int64_t every_steps = 10;
  bool tensorboard = true;
  bool contact_sheet = true;
  ProgressStyle progress = ProgressStyle::auto_;

  static constexpr auto fields() {
    return std::tuple(
        field("every_steps", &ReportConfig::every_steps,
              "Optimizer steps between two lines of metrics.jsonl, two points in TensorBoard and two "
              "plain progress lines. On a GPU every report synchronizes with the device, so small values "
              "reduce speed.",
              Range{1, 1e9}),
        field("tensorboard", &ReportConfig::tensorboard,
              "Also write the metrics as TensorBoard event files to the folder tensorboard of the run "
              "folder."),
        field("contact_sheet", &ReportConfig::contact_sheet,
              "Write the images of the first batch with their captions, as the model sees "
              "them, to first_batch.png in the run folder."),
        field("progress", &ReportConfig::progress,
              "How progress is shown on standard error: a bar that is redrawn in place, plain lines, "
              "none, or auto: a bar on a terminal and lines otherwise."));
  }
};
static_assert(lists_every_member<ReportConfig>);

}  // namespace cloob

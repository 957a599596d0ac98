// What the user sees on standard error while something long is running.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cloob/report/report_config.h"

namespace cloob {

/// How far the work is. What is not set is not shown.
struct Progress {
  std::string label = {};  ///< One word for the work: "train", "zero-shot".
  std::int64_t step = 0;
  std::int64_t num_steps = 0;
  std::optional<double> epoch = std::nullopt;
  std::optional<double> loss = std::nullopt;  ///< The latest known; it need not be of this very step.
  std::optional<double> samples_per_second = std::nullopt;
  std::optional<double> data_wait = std::nullopt;  ///< Share of the time spent waiting for data, 0 to 1.
  std::optional<double> seconds_left = std::nullopt;
};

/// Shows progress as a bar that is redrawn in place or as plain log lines.
///
/// While a bar stands on the terminal, log lines of any thread appear above it. One bar at a time: a program
/// that evaluates in the middle of training updates the same display with another label. Thread-safe.
class ProgressDisplay {
 public:
  /// With `auto_`: a bar when standard error is a terminal that can redraw a line, plain lines otherwise.
  /// Plain lines are written every `every_steps` steps and for the last step.
  ProgressDisplay(ProgressStyle style, std::int64_t every_steps);
  /// As `finish`.
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  /// To be called after every step: it costs next to nothing when nothing is due. A bar is redrawn at most
  /// ten times a second, and for the last step.
  void update(const Progress& progress);

  /// Leaves the finished bar on its own line; the next update starts a new one.
  void finish();

 private:
  class Bar;
  std::unique_ptr<Bar> bar_;
  std::int64_t lines_every_steps_ = 0;  // 0: no lines
};

}  // namespace cloob

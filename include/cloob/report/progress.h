// What the user sees on standard error while something long is running.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "cloob/base/timer.h"
#include "cloob/report/bound_by.h"
#include "cloob/report/report_config.h"

namespace cloob {

/// How far the work is. What is not set is not shown.
struct Progress {
  std::string label = {};     ///< One word for the work: "train", "eval".
  std::string unit = "step";  ///< What is counted, in the singular: "step", "image", "text".
  std::int64_t step = 0;
  std::int64_t num_steps = 0;
  std::optional<double> epoch = std::nullopt;
  std::optional<double> loss = std::nullopt;  ///< The latest known; it need not be of this very step.
  std::optional<double> samples_per_second = std::nullopt;
  std::optional<double> data_wait = std::nullopt;  ///< Share of the time spent waiting for data, 0 to 1.
  std::optional<BoundBy> bound_by = std::nullopt;
  std::optional<double> seconds_left = std::nullopt;
};

/// Shows progress as a bar that is redrawn in place or as plain log lines.
///
/// While a bar stands on the terminal, log lines of any thread appear above it. One bar at a time: a program
/// that evaluates in the middle of training updates the same display with another label. Thread-safe.
class ProgressDisplay {
 public:
  /// With `auto_`: a bar when standard error is a terminal that can redraw a line, plain lines otherwise.
  /// Plain lines are written every `every_steps` steps and for the last step; of work that is not counted in
  /// steps at most every `every_seconds` seconds, so that what is done sooner leaves none.
  explicit ProgressDisplay(ProgressStyle style, std::int64_t every_steps = 1, double every_seconds = 10);
  /// As `finish`.
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  /// To be called after every step: it costs next to nothing when nothing is due. A bar is redrawn at most
  /// ten times a second, and for the last step.
  void update(const Progress& progress);

  /// Shows work of which only the place is known: the result is told how much is done, of how much. The
  /// display outlives it.
  std::function<void(std::int64_t done, std::int64_t total)> counter(const std::string& label,
                                                                     const std::string& unit);

  /// Leaves the finished bar on its own line; the next update starts a new one.
  void finish();

 private:
  class Bar;
  bool line_is_due(const Progress& progress);

  std::unique_ptr<Bar> bar_;
  bool shows_lines_ = false;
  std::int64_t every_steps_;
  double every_seconds_;
  std::mutex mutex_;  // of since_line_
  Timer since_line_;
};

/// Whether displays made from now on may draw a bar, whatever their style; yes at first. Plain lines are log
/// lines and go by the log level.
void set_progress_bars(bool enabled);

}  // namespace cloob

// Progress of long operations, shown on standard error.
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

/// Progress of one operation. Unset values are not shown.
struct Progress {
  std::string label = {};     ///< One word for the operation: "train", "eval".
  std::string unit = "step";  ///< What is counted, in the singular: "step", "image", "text".
  std::int64_t step = 0;
  std::int64_t num_steps = 0;
  std::optional<double> epoch = std::nullopt;
  std::optional<double> loss = std::nullopt;         ///< The latest known loss, possibly of an earlier step.
  std::optional<double> chance_loss = std::nullopt;  ///< What the loss would be if nothing were learned.
  std::optional<double> samples_per_second = std::nullopt;
  std::optional<double> data_wait = std::nullopt;  ///< Fraction of the time spent waiting for data.
  std::optional<double> communication =
      std::nullopt;  ///< Fraction of the time spent exchanging data with other ranks.
  std::optional<BoundBy> bound_by = std::nullopt;
  std::optional<double> seconds_left = std::nullopt;
};

/// Shows progress as a bar that is redrawn in place or as plain log lines.
///
/// While a bar is shown, log lines of any thread appear above it. One bar at a time: a program that evaluates
/// during training updates the same display with another label. Thread-safe.
class ProgressDisplay {
 public:
  /// With `auto_`: a bar when standard error is a terminal that can redraw a line, plain lines otherwise.
  /// Plain lines are written every `every_steps` steps and for the last step; for work that is not counted in
  /// steps at most every `every_seconds` seconds, so that shorter work prints none.
  explicit ProgressDisplay(ProgressStyle style, std::int64_t every_steps = 1, double every_seconds = 10);
  /// Like `finish`.
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  /// To be called after every step: it is almost free when no output is due. A bar is redrawn at most ten
  /// times per second, and for the last step.
  void update(const Progress& progress);

  /// A callback for work whose only known progress is a count. The display must outlive it.
  std::function<void(std::int64_t done, std::int64_t total)> counter(const std::string& label,
                                                                     const std::string& unit);

  /// Leaves the finished bar on its own line; the next update starts a new bar.
  void finish();

 private:
  class Bar;
  bool line_is_due(const Progress& progress);

  std::unique_ptr<Bar> bar_;
  bool shows_lines_ = false;
  std::int64_t every_steps_;
  double every_seconds_;
  std::mutex mutex_;  // protects since_line_
  Timer since_line_;
};

/// Whether displays created from now on may draw a bar, regardless of their style; true by default. Plain
/// lines are log lines and controlled by the log level.
void set_progress_bars(bool enabled);

}  // namespace cloob

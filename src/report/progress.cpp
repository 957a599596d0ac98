#include "cloob/report/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <string_view>

#include "cloob/base/log.h"
#include "report/progress_line.h"

namespace cloob {
namespace {

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

bool terminal_can_redraw() { return ::isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb"; }

int terminal_columns() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

// The first of these variables that is set determines the character set, as specified by POSIX.
bool locale_is_utf8() {
  for (const char* const name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view locale = environment(name);
    if (locale.empty()) continue;
    return locale.find("UTF-8") != locale.npos || locale.find("utf8") != locale.npos;
  }
  return false;
}

void write_to_terminal(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(STDERR_FILENO, text.data(), text.size());
    if (count <= 0) return;  // a closed terminal must not abort training
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

constexpr std::string_view kClearLine = "\r\x1b[K";

std::atomic<bool>& bars_enabled() {
  static std::atomic<bool> enabled = true;
  return enabled;
}

}  // namespace

// The line at the bottom of the terminal. It is cleared before each log line and redrawn after it.
class ProgressDisplay::Bar {
 public:
  Bar() : unicode_(locale_is_utf8()), color_(environment("NO_COLOR").empty()) {
    set_log_hooks([this] { suspend(); }, [this] { resume(); });
  }
  ~Bar() {
    finish();
    set_log_hooks({}, {});
  }
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;

  void update(const Progress& progress) {
    const std::scoped_lock lock(mutex_);
    const auto now = Clock::now();
    progress_ = progress;
    if (now < next_draw_ && progress.step < progress.num_steps) return;
    next_draw_ = now + kRedrawInterval;
    visible_ = true;
    if (!suspended_) draw();
  }

  void finish() {
    const std::scoped_lock lock(mutex_);
    if (!visible_) return;
    draw();
    write_to_terminal("\n");
    visible_ = false;
    next_draw_ = {};
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kRedrawInterval{100};

  void draw() {
    const LineStyle style{.columns = terminal_columns(), .unicode = unicode_, .color = color_};
    // A single write that clears the line only after its new end: no flicker.
    write_to_terminal(fmt::format("\r{}\x1b[K", progress_bar(progress_, style)));
  }

  void suspend() {
    const std::scoped_lock lock(mutex_);
    suspended_ = true;
    if (visible_) write_to_terminal(kClearLine);
  }

  void resume() {
    const std::scoped_lock lock(mutex_);
    suspended_ = false;
    if (visible_) draw();
  }

  const bool unicode_;
  const bool color_;
  std::mutex mutex_;
  Progress progress_;
  Clock::time_point next_draw_;
  bool visible_ = false;
  bool suspended_ = false;  // a log line is being written
};

ProgressDisplay::ProgressDisplay(ProgressStyle style, std::int64_t every_steps, double every_seconds)
    : every_steps_(every_steps), every_seconds_(every_seconds) {
  if (style == ProgressStyle::auto_)
    style = terminal_can_redraw() ? ProgressStyle::bar : ProgressStyle::lines;
  if (style == ProgressStyle::bar && bars_enabled()) bar_ = std::make_unique<Bar>();
  shows_lines_ = style == ProgressStyle::lines;
}

ProgressDisplay::~ProgressDisplay() = default;

void ProgressDisplay::update(const Progress& progress) {
  if (bar_) bar_->update(progress);
  if (!bar_ && !shows_lines_) return;
  if (!line_is_due(progress)) return;
  const LogLevel level = bar_ ? LogLevel::debug : LogLevel::info;  // beside a bar for the log file only
  log_message(level, progress.label, progress_sentence(progress));
}

bool ProgressDisplay::line_is_due(const Progress& progress) {
  const std::scoped_lock lock(mutex_);
  const bool counts_steps = progress.unit == "step";
  // Each step restarts the interval of other work.
  const bool due = counts_steps ? progress.step % every_steps_ == 0 || progress.step == progress.num_steps
                                : since_line_.seconds() >= every_seconds_;
  if (due || counts_steps) since_line_.restart();
  return due;
}

std::function<void(std::int64_t, std::int64_t)> ProgressDisplay::counter(const std::string& label,
                                                                         const std::string& unit) {
  return [this, label, unit](std::int64_t done, std::int64_t total) {
    update({.label = label, .unit = unit, .step = done, .num_steps = total});
  };
}

void ProgressDisplay::finish() {
  if (bar_) bar_->finish();
}

void set_progress_bars(bool enabled) { bars_enabled() = enabled; }

}  // namespace cloob

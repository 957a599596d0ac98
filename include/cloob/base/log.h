// Log lines on standard error, each tagged with the library that logs: "[data] 12 of 4,096 samples skipped".
#pragma once

#include <fmt/core.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace cloob {

enum class LogLevel { debug, info, warning, error };

/// Lines below `level` are dropped from now on. The default is `info`.
void set_log_level(LogLevel level);

/// While it exists, every line from `debug` upwards is also appended to a file, with the date and time, even those that
/// standard error does not show. It begins with `header` and with the lines that were logged before. If writing fails, on a
/// full disk for example, a warning says so and the rest is dropped: a log is not worth a run. One at a time.
class LogFile {
 public:
  LogFile(const std::filesystem::path& path, const std::string& header);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  /// Appends a line to the file only.
  void write(const std::string& line);
};

/// Writes one line. Thread-safe.
void log_message(LogLevel level, std::string_view library, const std::string& message);

/// Sets callbacks that run before and after every line (for a progress bar that has to clear and redraw
/// itself).
void set_log_hooks(std::function<void()> before, std::function<void()> after);

template <class... Args>
void log_debug(std::string_view library, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::debug, library, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(std::string_view library, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::info, library, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(std::string_view library, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::warning, library, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(std::string_view library, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::error, library, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace cloob

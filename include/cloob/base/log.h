// Log lines on standard error, each with the room that speaks as its tag: "[data] 12 of 4,096 samples
// skipped".
#pragma once

#include <fmt/core.h>

#include <functional>
#include <string>
#include <string_view>

namespace cloob {

enum class LogLevel { debug, info, warning, error };

/// Lines below `level` are dropped from now on. The default is `info`.
void set_log_level(LogLevel level);

/// Writes one line. Thread-safe.
void log_message(LogLevel level, std::string_view room, const std::string& message);

/// Sets what runs before and after every line (a progress bar that has to leave the line and come back).
void set_log_hooks(std::function<void()> before, std::function<void()> after);

template <class... Args>
void log_debug(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::debug, room, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::info, room, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::warning, room, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::error, room, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace cloob

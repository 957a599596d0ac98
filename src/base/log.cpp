#include "cloob/base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <mutex>

#include "cloob/base/text.h"

namespace cloob {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = spdlog::stderr_color_mt("cloob");
    made->set_pattern("%^%v%$");
    return made;
  }();
  return *instance;
}

struct Hooks {
  std::mutex mutex;
  std::function<void()> before;
  std::function<void()> after;
};

Hooks& hooks() {
  static Hooks instance;
  return instance;
}

std::string_view severity_prefix(LogLevel level) {
  switch (level) {
    case LogLevel::warning:
      return "warning: ";
    case LogLevel::error:
      return "error: ";
    default:
      return "";
  }
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(to_spdlog(level)); }

void set_log_hooks(std::function<void()> before, std::function<void()> after) {
  const std::scoped_lock lock(hooks().mutex);
  hooks().before = std::move(before);
  hooks().after = std::move(after);
}

void log_message(LogLevel level, std::string_view library, const std::string& message) {
  if (!logger().should_log(to_spdlog(level))) return;
  const std::scoped_lock lock(hooks().mutex);
  if (hooks().before) hooks().before();
  logger().log(to_spdlog(level), "[{}] {}{}", library, severity_prefix(level), without_controls(message));
  if (hooks().after) hooks().after();
}

}  // namespace cloob

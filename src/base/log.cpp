#include "cloob/base/log.h"

#include <fmt/chrono.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "cloob/base/message.h"
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

// The open log file, and the lines before it was opened. Protected by the mutex of the hooks.
struct FileLog {
  std::FILE* file = nullptr;
  std::string path;
  std::vector<std::string> earlier;
  bool was_opened = false;
};

FileLog& file_log() {
  static FileLog instance;
  return instance;
}

std::string with_time(const std::string& line) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return fmt::format("{:%Y-%m-%d %H:%M:%S} {}\n", local, line);
}

// Lines are flushed one by one, so that those before a crash are there.
void append_to_file(const std::string& line) {
  constexpr std::size_t kMaxEarlier = 100;
  FileLog& log = file_log();
  if (!log.was_opened && log.earlier.size() < kMaxEarlier) log.earlier.push_back(line);
  if (log.file == nullptr) return;
  const bool is_written = std::fputs(line.c_str(), log.file) >= 0 && std::fflush(log.file) == 0;
  if (is_written) return;
  const int error_number = errno;
  std::fclose(log.file);
  log.file = nullptr;
  logger().log(spdlog::level::warn, "[log] warning: cannot write '{}': {}; the run goes on without it",
               log.path, std::generic_category().message(error_number));
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

LogFile::LogFile(const std::filesystem::path& path, const std::string& header) {
  const std::scoped_lock lock(hooks().mutex);
  FileLog& log = file_log();
  log.path = path.string();
  log.file = std::fopen(path.c_str(), "ae");
  log.was_opened = true;
  if (log.file == nullptr) {
    logger().log(spdlog::level::warn, "[log] warning: cannot open '{}': {}", log.path,
                 std::generic_category().message(errno));
  }
  append_to_file(with_time(header));
  for (const std::string& line : std::exchange(log.earlier, {})) append_to_file(line);
}

LogFile::~LogFile() {
  const std::scoped_lock lock(hooks().mutex);
  if (file_log().file != nullptr) std::fclose(file_log().file);
  file_log().file = nullptr;
}

void LogFile::write(const std::string& line) {
  const std::scoped_lock lock(hooks().mutex);
  append_to_file(with_time(without_controls(line)));
}

void log_message(LogLevel level, std::string_view library, const std::string& message) {
  const std::string line =
      fmt::format("[{}] {}{}", library, severity_prefix(level), without_controls(presentable(message)));
  const std::scoped_lock lock(hooks().mutex);
  append_to_file(with_time(line));
  if (!logger().should_log(to_spdlog(level))) return;
  if (hooks().before) hooks().before();
  logger().log(to_spdlog(level), "{}", line);
  if (hooks().after) hooks().after();
}

}  // namespace cloob

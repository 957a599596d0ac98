#include "cloob/ablation/sweep_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <map>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/is_there.h"
#include "cloob/base/log.h"
#include "cloob/report/metrics.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDone = "done";
constexpr std::string_view kFailed = "failed: ";

bool is_of_training(const std::string& metric) {
  return metric.starts_with("train/") || metric.starts_with("data/");
}

// Metrics of the last step at which there was an evaluation, in alphabetical order.
NamedNumbers last_evaluation(const std::vector<MetricsRecord>& records) {
  std::int64_t step = -1;
  std::map<std::string, double> metrics;
  for (const MetricsRecord& record : records) {
    for (const auto& [name, value] : record.metrics) {
      if (is_of_training(name) || is_duration(name)) continue;
      if (record.step != step) metrics.clear();
      step = record.step;
      metrics[name] = value;
    }
  }
  return {metrics.begin(), metrics.end()};
}

double seconds_of_evaluations(const fs::path& run) {
  if (!is_there(evaluations_path(run))) return 0;
  double seconds = 0;
  for (const MetricsRecord& record : read_metrics(evaluations_path(run))) {
    const auto found = std::ranges::find(record.metrics, "seconds", &NamedNumbers::value_type::first);
    if (found != record.metrics.end()) seconds += found->second;
  }
  return seconds;
}

void read_measurements(const fs::path& run, RunResult& result) {
  if (!is_there(metrics_path(run))) return;
  const std::vector<MetricsRecord> records = read_metrics(metrics_path(run));
  if (records.empty()) return;
  const MetricsRecord& last = records.back();
  result.steps = last.step;
  const double seconds = last.time_s - seconds_of_evaluations(run);
  if (seconds > 0) result.samples_per_second = static_cast<double>(last.samples_seen) / seconds;
  result.metrics = last_evaluation(records);
}

int open_lock(const fs::path& file) {
  const int lock = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) throw_user_error("cannot write to '{}': {}", file.string(), describe_errno(errno));
  return lock;
}

}  // namespace

std::string_view status_name(RunStatus status) {
  switch (status) {
    case RunStatus::waiting:
      return "waiting";
    case RunStatus::stopped:
      return "stopped";
    case RunStatus::failed:
      return "failed";
    case RunStatus::done:
      return "done";
  }
  return "?";
}

bool is_duration(const std::string& metric) {
  return metric.ends_with("seconds") || metric.ends_with("_per_second");
}

SweepFolder::SweepFolder(fs::path path, Use use) : path_(std::move(path)) {
  if (use == Use::reading) return;
  make_directories(path_ / "runs");
  lock_ = open_lock(path_ / "sweep.lock");
  if (::flock(lock_, (use == Use::alone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) return;
  if (errno == EWOULDBLOCK) {
    ::close(lock_);
    throw_user_error(
        "another process works on the sweep in '{}': wait for it, or choose another folder with --out",
        path_.string());
  }
  // Some network file systems do not support locks.
  log_warning("ablate", "'{}' cannot be locked ({}): do not start a second sweep in it", path_.string(),
              describe_errno(errno));
}

SweepFolder::~SweepFolder() {
  if (lock_ >= 0) ::close(lock_);
}

RunResult SweepFolder::result_of(const std::string& run) const {
  RunResult result;
  const fs::path folder = run_folder(run);
  if (!is_there(folder)) {
    if (!is_there(mark_of(run))) return result;
  } else if (is_there(folder / "config.yaml") || is_there(metrics_path(folder))) {
    result.status = RunStatus::stopped;
  }
  if (is_there(mark_of(run))) {
    const std::string mark = read_file(mark_of(run));
    const std::string line = mark.substr(0, mark.find('\n'));
    if (line == kDone && is_there(metrics_path(folder))) result.status = RunStatus::done;
    if (line.starts_with(kFailed)) {
      result.status = RunStatus::failed;
      result.failure = line.substr(kFailed.size());
    }
  }
  read_measurements(folder, result);
  return result;
}

void SweepFolder::mark_done(const std::string& run) const {
  write_file_atomically(mark_of(run), std::string(kDone) + "\n");
}

void SweepFolder::mark_failed(const std::string& run, const std::string& failure) const {
  write_file_atomically(mark_of(run), std::string(kFailed) + failure + "\n");
}

void SweepFolder::clear_mark(const std::string& run) const {
  std::error_code error;
  fs::remove(mark_of(run), error);
  if (error) throw_user_error("cannot remove '{}': {}", mark_of(run).string(), error.message());
}

bool SweepFolder::is_in_use(const std::string& run) const {
  const fs::path file = run_folder(run) / "run.lock";
  const int lock = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (lock < 0) return false;
  const bool is_used = ::flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(lock);
  return is_used;
}

SweepFolder::RunLock::RunLock(const SweepFolder& folder, const std::string& run)
    : lock_(open_lock(folder.run_file(run, ".lock"))) {
  is_held_ =
      ::flock(lock_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;  // some file systems have no locks
}

SweepFolder::RunLock::~RunLock() { ::close(lock_); }

SweepFolder::WriteLock::WriteLock(const SweepFolder& folder)
    : lock_(open_lock(folder.path() / "results.lock")) {
  ::flock(lock_, LOCK_EX);
}

SweepFolder::WriteLock::~WriteLock() { ::close(lock_); }

}  // namespace cloob

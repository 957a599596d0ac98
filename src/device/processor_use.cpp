#include "device/processor_use.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

// user nice system idle iowait irq softirq steal ...: all except idle, iowait and the guest times, which user
// and nice already contain.
double busy_ticks(const std::vector<std::string>& words) {
  double ticks = 0;
  for (const std::size_t field : {1U, 2U, 3U, 6U, 7U}) {
    if (field < words.size()) ticks += static_cast<double>(parse_integer(words[field]).value_or(0));
  }
  return ticks;
}

}  // namespace

double busy_seconds(std::string_view proc_stat, const std::vector<int>& processors) {
  double ticks = 0;
  for (const std::string& line : split(proc_stat, '\n')) {
    if (!line.starts_with("cpu") || line.starts_with("cpu ")) continue;
    const std::vector<std::string> words = split(line, ' ');
    const auto number = parse_integer(std::string_view(words[0]).substr(3));
    if (number && std::ranges::find(processors, static_cast<int>(*number)) != processors.end())
      ticks += busy_ticks(words);
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::vector<int> own_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return processors;
  for (int number = 0; number < CPU_SETSIZE; ++number) {
    if (CPU_ISSET(number, &set)) processors.push_back(number);
  }
  return processors;
}

double used_seconds() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

OtherProcesses::OtherProcesses() : processors_(own_processors()) { processors_in_use(); }

double OtherProcesses::processors_in_use() {
  double busy = 0;
  try {
    busy = busy_seconds(read_file("/proc/stat"), processors_);
  } catch (const UserError&) {
    return 0;
  }
  const double used = used_seconds(), time = now();
  const double passed = time - time_;
  const double others = ((busy - busy_) - (used - used_)) / passed;
  busy_ = busy;
  used_ = used;
  time_ = time;
  return std::max(0.0, others);
}

}  // namespace cloob

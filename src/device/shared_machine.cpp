#include "cloob/device/shared_machine.h"

#include <dlfcn.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <latch>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "cloob/base/log.h"
#include "device/processor_use.h"

namespace cloob {
namespace {

// The CPU times of the kernel have a resolution of 10 ms, so the interval must be much longer.
constexpr std::chrono::milliseconds kInterval{300};
// The desktop and the system use less than half a core now and then. The lower threshold avoids switching
// back and forth.
constexpr double kBusyCores = 0.4, kQuietCores = 0.2;
constexpr int kQuietIntervals = 6;

// The entry point that compilers emit for '#pragma omp parallel'; null without GNU OpenMP.
using RunTeam = void (*)(void (*work)(void*), void* data, unsigned num_threads, unsigned flags);
RunTeam find_gnu_openmp() {
  if (::dlsym(RTLD_DEFAULT, "kmp_set_blocktime") != nullptr) return nullptr;  // LLVM's exports both
  return reinterpret_cast<RunTeam>(::dlsym(RTLD_DEFAULT, "GOMP_parallel"));
}

// OpenMP ends the process if it cannot start a thread, for example in a container with a limit.
bool can_start_threads(unsigned count) {
  std::latch finished(1);
  std::vector<std::thread> threads;
  try {
    while (threads.size() < count) threads.emplace_back([&finished] { finished.wait(); });
  } catch (const std::system_error&) {
  }
  finished.count_down();
  for (std::thread& thread : threads) thread.join();
  return threads.size() == count;
}

bool spinning_is_configured() {
  return std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr;
}

}  // namespace

class SharedMachine::Watch {
 public:
  explicit Watch(RunTeam run_team) : run_team_(run_team), watcher_([this] { watch(); }) {}
  ~Watch() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
  }

 private:
  void watch() {
    int quiet_intervals = 0;
    while (sleep(kInterval)) {
      const double others = others_.processors_in_use();
      quiet_intervals = others < kQuietCores ? quiet_intervals + 1 : 0;
      if (!idle_team_.joinable() && others > kBusyCores) begin(others);
      if (idle_team_.joinable() && quiet_intervals >= kQuietIntervals) end();
    }
    end();
  }

  // Returns false once the watcher has to stop.
  bool sleep(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, time, [this] { return stopping_; });
  }

  void begin(double others) {
    if (has_failed_) return;
    const auto num_threads = static_cast<unsigned>(others_.num_processors() + 1);
    if (!can_start_threads(num_threads)) {
      has_failed_ = true;
      log_warning("device",
                  "other processes use {:.1f} of {} cores, and no more threads can be started: set "
                  "OMP_WAIT_POLICY=passive so that idle OpenMP threads yield to them",
                  others, others_.num_processors());
      return;
    }
    if (!has_logged_) {
      log_info("device", "other processes use {:.1f} of {} cores: idle OpenMP threads now yield to them",
               others, others_.num_processors());
      has_logged_ = true;
    }
    team_is_done_ = false;
    // OpenMP keeps the threads of a team alive, sleeping, as long as the thread that started it lives.
    idle_team_ = std::thread([this, num_threads] {
      run_team_([](void*) {}, nullptr, num_threads, 0);
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return team_is_done_ || stopping_; });
    });
  }

  void end() {
    if (!idle_team_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      team_is_done_ = true;
    }
    changed_.notify_all();
    idle_team_.join();
  }

  RunTeam run_team_;
  OtherProcesses others_;
  bool has_logged_ = false, has_failed_ = false;
  std::mutex mutex_;  // guards the two flags
  std::condition_variable changed_;
  bool stopping_ = false, team_is_done_ = false;
  std::thread idle_team_;
  std::jthread watcher_;  // declared last: it uses everything above
};

SharedMachine::SharedMachine() {
  if (spinning_is_configured()) return;
  if (const RunTeam run_team = find_gnu_openmp()) watch_ = std::make_unique<Watch>(run_team);
}

SharedMachine::~SharedMachine() = default;

}  // namespace cloob

#include "cloob/base/child_process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string_view>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"

namespace cloob {
namespace {

constexpr std::array kForwarded = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
constexpr int kSignalStatus = 128;

// As nohup leaves SIGHUP. A signal that is blocked is queued even if it is ignored.
bool is_ignored(int signal_number) {
  struct sigaction current = {};
  return ::sigaction(signal_number, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

// "NAME=value" of all variables of the child. Made before the fork, after which nothing may allocate.
std::vector<std::string> environment_of(const ChildCommand& command) {
  std::vector<std::string> variables;
  for (char** variable = ::environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    if (!command.environment.contains(std::string(text.substr(0, text.find('=')))))
      variables.emplace_back(text);
  }
  for (const auto& [name, value] : command.environment) {
    if (value) variables.push_back(name + "=" + *value);
  }
  return variables;
}

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Closed on exec; the child's copies are not.
class OutputOfChild {
 public:
  explicit OutputOfChild(const std::filesystem::path& path) {
    if (path.empty()) return;
    output_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (output_ < 0) throw_user_error("cannot write '{}': {}", path.string(), describe_errno(errno));
    input_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  ~OutputOfChild() {
    if (output_ >= 0) ::close(output_);
    if (input_ >= 0) ::close(input_);
  }
  OutputOfChild(const OutputOfChild&) = delete;
  OutputOfChild& operator=(const OutputOfChild&) = delete;

  void redirect() const {
    if (output_ < 0) return;
    ::dup2(input_, STDIN_FILENO);
    ::dup2(output_, STDOUT_FILENO);
    ::dup2(output_, STDERR_FILENO);
  }

 private:
  int output_ = -1, input_ = -1;
};

int exit_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? kSignalStatus + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace

SignalQueue::SignalQueue() {
  ::sigemptyset(&all_);
  ::sigaddset(&all_, SIGCHLD);
  for (const int number : kForwarded) {
    if (!is_ignored(number)) ::sigaddset(&all_, number);
  }
  ::sigprocmask(SIG_BLOCK, &all_, &before_);
}

SignalQueue::~SignalQueue() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

int SignalQueue::next(std::chrono::milliseconds wait) const {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
  const std::chrono::nanoseconds rest = wait - seconds;
  const timespec time{.tv_sec = seconds.count(), .tv_nsec = rest.count()};
  return std::max(0, ::sigtimedwait(&all_, nullptr, &time));
}

void ChildProcesses::start(std::int64_t number, const ChildCommand& command) {
  const std::vector<char*> words = pointers_to(command.words);
  const std::vector<std::string> variables = environment_of(command);
  const std::vector<char*> environment = pointers_to(variables);
  const OutputOfChild output(command.output);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw_user_error("{} cannot be started: {}", command.name, describe_errno(errno));
  if (child > 0) {
    running_[child] = number;
    return;
  }
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) std::_Exit(1);
  ::sigprocmask(SIG_SETMASK, &signals_.mask_before(), nullptr);
  output.redirect();
  ::execvpe(words[0], words.data(), environment.data());
  log_error("launch", "'{}' cannot be run: {}", command.words[0], describe_errno(errno));
  std::_Exit(127);
}

std::vector<ChildProcesses::End> ChildProcesses::collect() {
  std::vector<End> ends;
  int status = 0;
  const auto next = [&] { return ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED); };
  for (pid_t process = next(); process > 0; process = next()) {
    const auto found = running_.find(process);
    if (found == running_.end()) continue;
    if (WIFSTOPPED(status)) stopped_.insert(process);
    if (WIFSTOPPED(status)) continue;
    stopped_.erase(process);
    if (WIFCONTINUED(status)) continue;
    ends.push_back({found->second, exit_status(status)});
    running_.erase(found);
  }
  return ends;
}

void ChildProcesses::send(int signal_number) const {
  for (const auto& [process, number] : running_) ::kill(process, signal_number);
}

void ChildProcesses::kill_stopped() const {
  for (const pid_t process : stopped_) ::kill(process, SIGKILL);
}

std::string describe_exit_status(int status) {
  if (status > kSignalStatus) return fmt::format("ended because of signal {}", status - kSignalStatus);
  return fmt::format("ended with status {}", status);
}

}  // namespace cloob

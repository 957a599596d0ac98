#include "e2e/program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

struct Streams {
  std::filesystem::path input = "/dev/null";
  std::filesystem::path output = "/dev/null";
  std::filesystem::path errors = "/dev/null";
};

void redirect(const std::filesystem::path& path, int flags, int descriptor) {
  const int opened = ::open(path.c_str(), flags, 0600);
  if (opened < 0 || ::dup2(opened, descriptor) < 0) ::_exit(126);
}

pid_t start(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
            const Streams& streams) {
  const std::string program = (binary_dir() / "bin" / "cloob").string();
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("cannot fork");
  if (pid > 0) return pid;
  redirect(streams.input, O_RDONLY, STDIN_FILENO);
  redirect(streams.output, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
  redirect(streams.errors, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
  if (::chdir(folder.c_str()) != 0) ::_exit(126);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

int shell_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace

ProgramResult run_cloob(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
                        const std::string& input) {
  const TempDir temporary;
  write_file_atomically(temporary / "in", input);
  const pid_t pid = start(folder, arguments, {temporary / "in", temporary / "out", temporary / "err"});
  int wait_status = 0;
  ::rusage usage{};
  ::wait4(pid, &wait_status, 0, &usage);
  constexpr std::int64_t kKiB = 1024;
  return {shell_status(wait_status), read_file(temporary / "out"), read_file(temporary / "err"),
          usage.ru_maxrss * kKiB};
}

BackgroundProgram::BackgroundProgram(const std::filesystem::path& folder,
                                     const std::vector<std::string>& arguments,
                                     const std::filesystem::path& errors)
    : pid_(start(folder, arguments, {.errors = errors})) {}

BackgroundProgram::~BackgroundProgram() {
  if (ended_) return;
  send_signal(SIGKILL);
  wait();
}

void BackgroundProgram::send_signal(int signal_number) const { ::kill(pid_, signal_number); }

bool BackgroundProgram::is_running() {
  if (ended_) return false;
  int wait_status = 0;
  if (::waitpid(pid_, &wait_status, WNOHANG) != pid_) return true;
  ended_ = true;
  status_ = shell_status(wait_status);
  return false;
}

int BackgroundProgram::wait() {
  if (!ended_) {
    int wait_status = 0;
    ::waitpid(pid_, &wait_status, 0);
    ended_ = true;
    status_ = shell_status(wait_status);
  }
  return status_;
}

}  // namespace cloob::testing

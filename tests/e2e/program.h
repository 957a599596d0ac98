// Runs the built program as a user would.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cloob::testing {

struct ProgramResult {
  int exit_status = 0;          ///< as a shell reports it: 128 + n when signal n ended the program
  std::string output;           ///< standard output
  std::string errors;           ///< standard error
  std::int64_t peak_bytes = 0;  ///< resident memory
};

/// Runs `cloob ARGUMENTS...` in `folder` to completion, with `input` on its standard input.
ProgramResult run_cloob(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
                        const std::string& input = "");

/// A program that runs in the background. Its output is discarded, but for its errors, if they have a file.
class BackgroundProgram {
 public:
  BackgroundProgram(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
                    const std::filesystem::path& errors = "/dev/null");
  ~BackgroundProgram();
  BackgroundProgram(const BackgroundProgram&) = delete;
  BackgroundProgram& operator=(const BackgroundProgram&) = delete;

  void send_signal(int signal_number) const;
  bool is_running();
  /// Waits for the program to end and returns its exit status as in ProgramResult.
  int wait();

 private:
  pid_t pid_;
  bool ended_ = false;
  int status_ = 0;
};

}  // namespace cloob::testing

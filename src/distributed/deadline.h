#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace cloob {

/// Ends the process if it is not destroyed in time: for what may wait without limit and cannot be interrupted, as requests to a
/// process that is stopped.
class Deadline {
 public:
  /// `message` is a sentence for the user.
  Deadline(std::chrono::seconds limit, std::string message);
  ~Deadline();
  Deadline(const Deadline&) = delete;  // its thread refers to it
  Deadline& operator=(const Deadline&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable met_;
  bool is_met_ = false;
  std::thread thread_;
};

/// Ends the process at once, with a message and the status kExitRankFailure. The main thread may be anywhere, so nothing is cleaned
/// up.
[[noreturn]] void end_process(const std::string& message);

}  // namespace cloob

// What the user is told when a command fails.
#pragma once

#include <exception>
#include <string>

namespace cloob {

struct Failure {
  int status;           ///< exit status of the program
  std::string message;  ///< one line
};

/// Libraries' words are replaced where they say nothing to a user.
Failure describe_failure(const std::exception_ptr& exception);

}  // namespace cloob

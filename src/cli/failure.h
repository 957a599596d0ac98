// Turns exceptions into the messages that users see.
#pragma once

#include <exception>
#include <string>

namespace cloob {

struct Failure {
  int status;           ///< exit status of the program
  std::string message;  ///< one line
};

/// Describes an exception; messages of libraries that mean nothing to a user are replaced.
Failure describe_failure(const std::exception_ptr& exception);

}  // namespace cloob

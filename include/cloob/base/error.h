// Two kinds of failure, never mixed: those that the user can fix, and bugs.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace cloob {

/// A mistake that the user can fix: settings, paths, data, checkpoints.
///
/// The message says where, what was found, what is allowed and what to do. The program prints it without a
/// stack trace and exits with status 2. Text from files that it quotes may be of any length and kind: see
/// `presentable`.
class UserError : public std::runtime_error {
 public:
  explicit UserError(const std::string& message);
};

/// A broken invariant of the program itself. The program exits with status 70.
class InternalError : public std::logic_error {
 public:
  explicit InternalError(const std::string& message) : std::logic_error(message) {}
};

/// Throws UserError with a formatted message.
template <class... Args>
[[noreturn]] void throw_user_error(fmt::format_string<Args...> format, Args&&... args) {
  throw UserError(fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void throw_internal_error(std::string_view file, int line, std::string_view condition,
                                       const std::string& message);

}  // namespace cloob

/// Checks an invariant: `CLOOB_CHECK(rows > 0, "{} rows", rows)`. Not for user errors.
#define CLOOB_CHECK(condition, ...)                                                              \
  do {                                                                                           \
    if (!(condition)) {                                                                          \
      ::cloob::throw_internal_error(__FILE__, __LINE__, #condition, ::fmt::format(__VA_ARGS__)); \
    }                                                                                            \
  } while (false)

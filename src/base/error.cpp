#include "cloob/base/error.h"

#include "cloob/base/message.h"

namespace cloob {

UserError::UserError(const std::string& message) : std::runtime_error(presentable(message)) {}

void throw_internal_error(std::string_view file, int line, std::string_view condition,
                          const std::string& message) {
  throw InternalError(fmt::format("internal error: {} ({} is false, {}:{})", message, condition, file, line));
}

}  // namespace cloob

#include "cli/failure.h"

#include <c10/util/Exception.h>
#include <fmt/core.h>

#include <cstdint>
#include <filesystem>
#include <new>
#include <string_view>
#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/first_line.h"
#include "cloob/base/rank_failure.h"
#include "cloob/base/text.h"
#include "cloob/cli/program.h"

namespace cloob {
namespace {

// " (tried to allocate 149.0 GiB at once)" from LibTorch's "you tried to allocate 160000000000 bytes. Error
// code 12" or "Tried to allocate 2.00 GiB. GPU 0 has"; empty if the message has no size.
std::string requested_size(std::string_view message) {
  constexpr std::string_view kBefore = "ried to allocate ";
  const std::size_t place = message.find(kBefore);
  if (place == std::string_view::npos) return "";
  const std::vector<std::string> words = split(message.substr(place + kBefore.size()), ' ');
  if (words.size() < 2 || !parse_double(words[0])) return "";
  const std::string unit = words[1].substr(0, words[1].find('.'));
  const auto bytes = unit == "bytes" ? parse_integer(words[0]) : std::nullopt;
  const std::string size = bytes ? human_bytes(static_cast<std::uint64_t>(*bytes)) : words[0] + " " + unit;
  return fmt::format(" (tried to allocate {} at once)", size);
}

Failure out_of_memory(std::string_view where, std::string_view message) {
  return {kExitUserError,
          fmt::format("out of memory{}{}: use a smaller batch or model", where, requested_size(message))};
}

Failure internal_error(const std::string& message) {
  return {kExitInternalError, fmt::format("internal error: {}", first_line(message))};
}

// The messages of oneDNN when it cannot allocate memory for a convolution.
bool is_onednn_out_of_memory(const std::string& message) {
  return first_line(message) == "could not create a primitive" ||
         first_line(message) == "could not create a memory object";
}

}  // namespace

Failure describe_failure(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const RankFailure& error) {
    return {kExitRankFailure, fmt::format("{}: this rank ends as well", error.what())};
  } catch (const UserError& error) {
    return {kExitUserError, error.what()};
  } catch (const InternalError& error) {
    return {kExitInternalError, error.what()};
  } catch (const c10::OutOfMemoryError& error) {
    return out_of_memory(" on the device", error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    if (message.find("DefaultCPUAllocator") != std::string::npos) return out_of_memory("", message);
    return internal_error(message);
  } catch (const std::filesystem::filesystem_error& error) {
    return {kExitUserError, fmt::format("'{}': {}", error.path1().string(), error.code().message())};
  } catch (const std::system_error& error) {  // files and streams; checked calls throw better messages
    return {kExitUserError, first_line(error.what())};
  } catch (const std::bad_alloc&) {
    return out_of_memory("", "");
  } catch (const std::exception& error) {
    return is_onednn_out_of_memory(error.what()) ? out_of_memory("", "") : internal_error(error.what());
  }
}

}  // namespace cloob

#include "cli/connect_ranks.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/base/version.h"
#include "cloob/device/device.h"

namespace cloob {

const Collectives& connect_ranks(Ranks& ranks, c10::Device device, const RankTimeouts& timeouts,
                                 const std::string& agreement, std::int64_t threads) {
  const Collectives& collectives = ranks.connect(device, timeouts, agreement);
  if (collectives.world_size() > 1) {
    set_num_processors(ranks.processors());
    if (threads == 0) set_num_threads(ranks.processors());
  }
  return collectives;
}

std::string agreement_of(const CLI::App& command) {
  std::string text = fmt::format("cloob {}\n{}", kVersion, command.get_name());
  for (const CLI::Option* const option : command.get_options()) {
    if (option->count() > 0) text += fmt::format("\n{} {}", option->get_name(), join(option->results(), " "));
  }
  for (const std::string& word : command.remaining()) text += (word.starts_with("--") ? "\n" : " ") + word;
  return text;
}

}  // namespace cloob

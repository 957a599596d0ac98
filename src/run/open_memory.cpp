#include "cloob/run/open_memory.h"

#include "cloob/base/error.h"
#include "cloob/run/model_file.h"
#include "cloob/run/model_hash.h"

namespace cloob {

std::shared_ptr<const Memory> open_memory(const std::optional<std::string>& folder) {
  return folder ? std::make_shared<const Memory>(*folder) : nullptr;
}

void require_memory_of(const Memory& memory, const NamedTensors& weights, const RunConfig& config,
                       bool has_tokenizer) {
  const std::string hash = model_hash(weights, config, has_tokenizer);
  if (hash == memory.model().hash) return;
  throw_user_error(
      "the memory {} was made with {}, but this model is another one: {} (hash {}), or preprocesses images or texts "
      "otherwise; features of different models cannot be compared: make a memory with 'cloob memory build'",
      memory.describe(), describe(memory.model()), model_name(config.model), hash);
}

}  // namespace cloob

#include "cloob/run/open_memory.h"

#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/run/model_file.h"
#include "cloob/run/model_hash.h"

namespace cloob {

std::shared_ptr<const Memory> open_memory(const std::optional<std::string>& folder) {
  return folder ? std::make_shared<const Memory>(*folder) : nullptr;
}

void require_same_memory(const std::shared_ptr<const Memory>& memory, const Collectives& collectives) {
  if (!memory || collectives.world_size() == 1) return;
  const std::string own = memory->identity(), of_rank_0 = broadcast_text(collectives, own);
  if (own == of_rank_0) return;
  throw_user_error(
      "{} does not have the same pairs on all ranks: name a folder that all see, and do not change it meanwhile",
      memory->describe());
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

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cloob/base/collectives.h"
#include "cloob/base/named_tensors.h"
#include "cloob/memory/memory.h"
#include "cloob/run/run_config.h"

namespace cloob {

/// The memory in a folder that a setting names, or null if it names none. Throws UserError.
std::shared_ptr<const Memory> open_memory(const std::optional<std::string>& folder);

/// Throws UserError unless all ranks have opened memories with the same pairs. `memory` may be null. A collective operation.
void require_same_memory(const std::shared_ptr<const Memory>& memory, const Collectives& collectives);

/// Throws UserError unless the memory was made with the model that has these weights, or if the model cannot be compared.
void require_memory_of(const Memory& memory, const NamedTensors& weights, const RunConfig& config,
                       bool has_tokenizer);

}  // namespace cloob

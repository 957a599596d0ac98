#pragma once

#include <memory>

#include "cloob/base/named_tensors.h"
#include "cloob/memory/memory.h"
#include "cloob/run/run_config.h"

namespace cloob {

/// The memory that the settings name, or null if they name none. Throws UserError.
std::shared_ptr<const Memory> open_memory(const RunConfig& config);

/// Throws UserError unless the memory was made with the model that has these weights, or if the model cannot be compared.
void require_memory_of(const Memory& memory, const NamedTensors& weights, const RunConfig& config,
                       bool has_tokenizer);

}  // namespace cloob

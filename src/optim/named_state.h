#pragma once

#include <string_view>

#include "cloob/base/named_tensors.h"

namespace cloob {

/// Throws UserError if names or shapes differ; `what` names the kind of state in the message.
void require_same_shapes(std::string_view what, const NamedTensors& saved, const NamedTensors& live);

/// Copies every tensor of `saved` into the one of the same name in `live`. Throws UserError, before anything
/// is copied, if names or shapes differ.
void copy_state(std::string_view what, const NamedTensors& saved, const NamedTensors& live);

}  // namespace cloob

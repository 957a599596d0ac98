#pragma once

#include <string>

#include "cli/model_arguments.h"
#include "cloob/search/index_format.h"

namespace cloob {

/// What an index remembers of the model that its features are of. The checkpoint is an absolute path, of a run folder that of its
/// newest checkpoint.
IndexModel identity_of(const OpenedModel& opened, const std::string& checkpoint);

}  // namespace cloob

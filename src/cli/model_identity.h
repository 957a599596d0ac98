#pragma once

#include <string>

#include "cli/model_arguments.h"
#include "cloob/search/index_format.h"

namespace cloob {

/// What an index remembers of the model that its features are of. The checkpoint is an absolute path, of a run folder that of its
/// newest checkpoint. Throws UserError if features of the model are refined with a memory: they are not those of the model alone.
IndexModel identity_of(const OpenedModel& opened, const std::string& checkpoint);
/// The same of the model alone.
IndexModel identity_of_towers(const OpenedModel& opened, const std::string& checkpoint);

}  // namespace cloob

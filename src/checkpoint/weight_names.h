// Mapping of other programs' tensor names to open_clip's.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "cloob/checkpoint/import_weights.h"

namespace cloob {

struct NamePlan {
  WeightSource source;
  /// From the names in the file to open_clip's. Tensors that are not weights are omitted.
  std::map<std::string, std::string> names;
};

/// Plans the import of a file with tensors of these names. Throws UserError that describes the tensors when
/// they are not a supported CLIP model.
NamePlan plan_names(const std::filesystem::path& path, std::string_view format,
                    const std::set<std::string>& names);

}  // namespace cloob

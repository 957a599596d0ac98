// How the tensors of other programs are called here.
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
  /// From the names in the file to open_clip's. What is no weight is left out.
  std::map<std::string, std::string> names;
};

/// Plans the import of a file with such tensors. Throws UserError when they are no supported CLIP model, with
/// what they are instead.
NamePlan plan_names(const std::filesystem::path& path, std::string_view format,
                    const std::set<std::string>& names);

}  // namespace cloob

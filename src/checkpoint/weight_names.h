// Mapping of other programs' tensor names to open_clip's.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/checkpoint/import_weights.h"

namespace cloob {

/// A tensor of open_clip from tensors of a file: their rows one after another, transposed if so.
struct TensorPlan {
  std::vector<std::string> parts;  ///< names in the file
  bool transposed = false;
  bool drops_leading_ones = false;  ///< dimensions of size 1 in front of others are removed
};

struct NamePlan {
  WeightSource source;
  /// By open_clip's names. Tensors that are not weights are omitted.
  std::map<std::string, TensorPlan> tensors;
  /// What is left out besides, one sentence each.
  std::vector<std::string> notes = {};
};

/// Plans the import of a file with tensors of these names. Throws UserError that describes the tensors when
/// they are not a supported CLIP model.
NamePlan plan_names(const std::filesystem::path& path, std::string_view format,
                    const std::set<std::string>& names);

}  // namespace cloob

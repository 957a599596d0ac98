#pragma once

#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob::testing {

/// The shapes of a model's tensors, from a golden file with a name and its sizes in a line.
inline std::map<std::string, std::vector<std::int64_t>> read_shapes(const std::string& file) {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  std::istringstream lines(read_file(golden_path("model/" + file)));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    std::vector<std::int64_t>& shape = shapes[name];
    for (std::int64_t size = 0; words >> size;) shape.push_back(size);
  }
  return shapes;
}

}  // namespace cloob::testing

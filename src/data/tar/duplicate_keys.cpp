#include "data/tar/duplicate_keys.h"

#include <functional>
#include <string>

namespace cloob {

void DuplicateKeys::add(std::string_view key) {
  const bool is_new = seen_.insert(std::hash<std::string_view>()(key)).second;
  if (!is_new) found_.add([&] { return std::string(key); });
}

}  // namespace cloob

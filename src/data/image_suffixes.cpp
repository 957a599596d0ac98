#include "cloob/data/image_suffixes.h"

#include <algorithm>

#include "cloob/base/text.h"

namespace cloob {

bool has_image_name(const std::filesystem::path& path) {
  const std::string extension = to_lower_ascii(path.extension().string());
  return !extension.empty() && std::ranges::find(kImageSuffixes, extension.substr(1)) != kImageSuffixes.end();
}

}  // namespace cloob

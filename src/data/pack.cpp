#include "cloob/data/pack.h"

#include <nlohmann/json.hpp>

#include "data/pack_samples.h"
#include "data/pack_source.h"

namespace cloob {

PackResult pack_data(const DataConfig& config, const std::vector<std::string>& names,
                     const std::filesystem::path& folder, const PackOptions& options,
                     const PackHooks& hooks) {
  const PackSource opened = open_pack_source(config, names);
  return pack_samples(*opened.source, describe_origin(config, opened.fingerprint), config, folder, options,
                      hooks);
}

}  // namespace cloob

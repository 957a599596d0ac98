#include "cloob/prepare/pack.h"

#include <nlohmann/json.hpp>

#include "cloob/base/error.h"
#include "prepare/pack_samples.h"
#include "prepare/pack_source.h"

namespace cloob {

PackResult pack_data(const DataConfig& config, const std::vector<std::string>& names,
                     const std::filesystem::path& folder, const PackOptions& options,
                     const PackHooks& hooks) {
  const PackSource opened = open_pack_source(config, names);
  if (opened.source->is_stream() && options.shuffle_seed) {
    throw_user_error("streams are read from front to back, so --shuffle cannot be used to pack them");
  }
  if (hooks.opened) hooks.opened();
  return pack_samples(*opened.source, describe_origin(config, opened.fingerprint), config, folder, options,
                      hooks);
}

}  // namespace cloob

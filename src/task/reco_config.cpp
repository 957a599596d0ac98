#include "cloob/task/reco_config.h"

#include <fmt/core.h>

#include <algorithm>

#include "cloob/base/error.h"

namespace cloob {

std::int64_t RecoConfig::heads_of(std::int64_t dims) const {
  constexpr std::int64_t kHeadWidth = 64;
  if (!heads) {
    const std::int64_t usual = std::max<std::int64_t>(1, dims / kHeadWidth);
    return dims % usual == 0 ? usual : 1;
  }
  if (dims % *heads != 0)
    throw_user_error("reco.heads is {}, but features of {} dimensions cannot be divided by it", *heads, dims);
  return *heads;
}

std::vector<std::string> settings_without_effect(const RecoConfig& config, const Origins& origins) {
  std::vector<std::string> settings;
  const auto add = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (origins.contains("reco." + name))
        settings.push_back(fmt::format("reco.{} (reco.fusion is {})", name, enum_name(config.fusion)));
    }
  };
  switch (config.fusion) {
    case FusionKind::transformer:
      add({"mean_weight"});
      break;
    case FusionKind::mean:
      add({"layers", "heads", "mlp_ratio", "type_embedding", "share_fusion"});
      break;
    case FusionKind::mlp:
      add({"memory", "evaluation_memory", "cache", "k", "search", "fuse", "exclude_similarity", "heads",
           "mean_weight"});
      break;
  }
  return settings;
}

}  // namespace cloob

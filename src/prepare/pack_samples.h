#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "cloob/data/source.h"
#include "cloob/prepare/pack.h"

namespace cloob {

/// Implements `pack_data`. `origin` is a JSON object that identifies the source, for the plan.
PackResult pack_samples(const Source& source, const nlohmann::ordered_json& origin, const DataConfig& config,
                        const std::filesystem::path& folder, const PackOptions& options,
                        const PackHooks& hooks);

/// An `origin`: identifies a source and the settings that it is read with.
nlohmann::ordered_json describe_origin(const DataConfig& config, std::uint64_t fingerprint);

/// Throws UserError if more than `config.max_bad_share` of `num_samples` are unusable.
void check_bad_share(const BadSampleCounts& bad, std::int64_t num_samples, const DataConfig& config);

}  // namespace cloob

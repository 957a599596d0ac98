// Whether features that another program computed are those of a model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cloob/data/source.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/search/index_format.h"
#include "cloob/search/index_writer.h"

namespace cloob {

/// Entries that are encoded again, and the least cosine of their features with those of the model.
inline constexpr std::int64_t kCheckedEntries = 256;
inline constexpr double kLeastCosine = 0.999;

/// Encodes images and captions of some entries again and compares their features. Images are read from their paths, or from the sample
/// of `source` with the same key, if there is one; so are captions that the entries do not have. nullopt if nothing can be read.
/// Throws UserError with the number of differing features and the worst of them if a cosine is less than kLeastCosine; `name` is that
/// of the features.
std::optional<FeatureCheck> check_features(const IndexRows& entries, const FeatureEncoder& encoder,
                                           const EncodeOptions& options,
                                           const std::shared_ptr<const Source>& source,
                                           const std::string& name);

}  // namespace cloob

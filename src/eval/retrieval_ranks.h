#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "cloob/base/collectives.h"
#include "cloob/eval/pair_features.h"
#include "cloob/eval/retrieval_metrics.h"

namespace cloob {

/// For every query of the evaluation, the rank (from 0) of its best-ranked correct candidate: int64, on every rank.
struct RetrievalRanks {
  at::Tensor image_N;  ///< of images among texts
  at::Tensor text_M;   ///< of texts among images
};

/// `own` are the parts of this rank, in fp32 or fp64; every image has a text. A collective operation: the texts are handed around, one
/// part at a time, and each rank compares them with its own images.
RetrievalRanks retrieval_ranks(std::span<const PairFeatures> own, const Collectives& collectives);

/// The same after checks: throws UserError if a feature is not finite or there is no image.
RetrievalRanks checked_retrieval_ranks(std::span<const PairFeatures> own, const Collectives& collectives);

/// Their metrics.
RetrievalMetrics metrics_of(const RetrievalRanks& ranks);

}  // namespace cloob

// The samples that a process will read, batch by batch.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include "cloob/data/order/sample_order.h"
#include "cloob/data/order/sampler.h"

namespace cloob {

/// A sample of a batch.
struct PlannedRow {
  std::int64_t place = 0;  ///< in its epoch
  std::int64_t round =
      0;  ///< complete passes over the epoch before it: a batch that wraps around starts it again
};

/// The part of a global batch that belongs to one process.
struct PlannedBatch {
  BatchPlaces places;  ///< of the global batch
  std::shared_ptr<const EpochOrder> order;
  std::vector<PlannedRow> rows;
  std::int64_t first_number = 0;  ///< rows of the plan before this batch

  std::int64_t num_rows() const { return std::ssize(rows); }
};

/// The batches of process `rank` of `world_size`, starting at a position. Copies advance independently; order
/// and sampler must outlive them.
///
/// A process gets one slice of every batch, of consecutive places, or, from an order that is divided over the ranks, the
/// places that are dealt to it, of which at most its slice are in a batch, and none once its share is read.
class BatchPlan {
 public:
  /// Needs an order that is not divided, or is over `world_size` ranks.
  BatchPlan(const SampleOrder& order, const Sampler& sampler, std::int64_t rank, std::int64_t world_size,
            std::int64_t position)
      : order_(&order), sampler_(&sampler), rank_(rank), world_size_(world_size), position_(position) {}

  /// nullopt when the pass is over; training never ends.
  std::optional<PlannedBatch> next();

  /// Ranks over which the order is divided.
  std::int64_t shares() const { return order_->shares().ranks(); }

 private:
  std::vector<PlannedRow> rows_of(const BatchPlaces& places) const;

  const SampleOrder* order_;
  const Sampler* sampler_;
  std::int64_t rank_;
  std::int64_t world_size_;
  std::int64_t position_;
  std::int64_t number_ = 0;
  std::int64_t epoch_ = -1;  // of `epoch_order_`
  std::shared_ptr<const EpochOrder> epoch_order_;
};

}  // namespace cloob

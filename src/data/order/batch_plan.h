// The samples that a process will read, batch by batch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "cloob/data/order/sample_order.h"
#include "cloob/data/order/sampler.h"

namespace cloob {

/// The slice of a global batch that belongs to one process.
struct PlannedBatch {
  BatchPlaces places;  ///< of the global batch
  std::shared_ptr<const EpochOrder> order;
  std::int64_t order_size = 0;
  std::int64_t first_place = 0;  ///< of this process; may be past the end of the epoch, see Sampler
  std::int64_t num_rows = 0;
  std::int64_t first_number = 0;  ///< rows of the plan before this batch

  /// Place of a row in its epoch.
  std::int64_t place(std::int64_t row) const { return (first_place + row) % order_size; }
  /// Complete passes over the epoch before the row: a batch that wraps around starts it again.
  std::int64_t round(std::int64_t row) const { return (first_place + row) / order_size; }
};

/// The batches of process `rank` of `world_size`, starting at a position. Copies advance independently; order
/// and sampler must outlive them.
class BatchPlan {
 public:
  BatchPlan(const SampleOrder& order, const Sampler& sampler, std::int64_t rank, std::int64_t world_size,
            std::int64_t position)
      : order_(&order), sampler_(&sampler), rank_(rank), world_size_(world_size), position_(position) {}

  /// nullopt when the pass is over; training never ends.
  std::optional<PlannedBatch> next();

 private:
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

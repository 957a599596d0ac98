#include "data/order/batch_plan.h"

#include "cloob/base/slice.h"

namespace cloob {

std::optional<PlannedBatch> BatchPlan::next() {
  if (sampler_->ended_at(position_)) return std::nullopt;
  PlannedBatch batch;
  batch.places = sampler_->batch_at(position_);
  position_ = batch.places.next_position;
  if (batch.places.epoch != epoch_) {
    epoch_ = batch.places.epoch;
    epoch_order_ = order_->of_epoch(epoch_);
  }
  batch.order = epoch_order_;
  batch.rows = rows_of(batch.places);
  batch.first_number = number_;
  number_ += batch.num_rows();
  return batch;
}

std::vector<PlannedRow> BatchPlan::rows_of(const BatchPlaces& places) const {
  const std::int64_t ranks = shares(), size = order_->size();
  const auto [first, count] = slice_of(places.count, rank_, world_size_);
  std::int64_t begin = places.first + first, end = begin + count;
  if (ranks > 1) {
    begin = places.first + (rank_ + ranks - places.first % ranks) % ranks;
    end = places.first + places.count;
  }
  std::vector<PlannedRow> rows;
  for (std::int64_t place = begin; place < end; place += ranks) {
    if (order_->shares().has_sample(place % size)) rows.push_back({place % size, place / size});
  }
  return rows;
}

}  // namespace cloob

#include "data/order/batch_plan.h"

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
  batch.order_size = order_->size();
  const std::int64_t begin = batch.places.count * rank_ / world_size_;
  batch.first_place = batch.places.first + begin;
  batch.num_rows = batch.places.count * (rank_ + 1) / world_size_ - begin;
  batch.first_number = number_;
  number_ += batch.num_rows;
  return batch;
}

}  // namespace cloob

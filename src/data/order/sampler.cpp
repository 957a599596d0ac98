#include "cloob/data/order/sampler.h"

#include <ATen/ceil_div.h>

#include "cloob/base/error.h"

namespace cloob {

Sampler::Sampler(Purpose purpose, std::int64_t size, std::int64_t batch_size, LastBatch last_batch)
    : purpose_(purpose), size_(size), batch_size_(batch_size), last_batch_(last_batch) {
  CLOOB_CHECK(size >= 1 && batch_size >= 1, "{} samples in batches of {}", size, batch_size);
}

BatchPlaces Sampler::batch_at(std::int64_t position) const {
  CLOOB_CHECK(!ended_at(position) && batches_per_epoch() > 0, "no batch begins at position {}", position);
  const std::int64_t epoch = position / size_, first = position % size_, left = size_ - first;
  if (left >= batch_size_) return {epoch, first, batch_size_, position + batch_size_};
  if (purpose_ == Purpose::evaluation) return {epoch, first, left, position + left};
  if (last_batch_ == LastBatch::wrap) return {epoch, first, batch_size_, (epoch + 1) * size_};
  return {epoch + 1, 0, batch_size_, (epoch + 1) * size_ + batch_size_};
}

std::int64_t Sampler::batches_of(std::int64_t places) const {
  const bool drops = purpose_ == Purpose::training && last_batch_ == LastBatch::drop;
  return drops ? places / batch_size_ : at::ceil_div(places, batch_size_);
}

std::int64_t Sampler::batches_per_epoch() const { return batches_of(size_); }

std::int64_t Sampler::batches_left(std::int64_t position) const {
  return batches_of(size_ - batch_at(position).first);
}

bool Sampler::ended_at(std::int64_t position) const {
  return purpose_ == Purpose::evaluation && position >= size_;
}

}  // namespace cloob

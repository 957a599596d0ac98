#include "train/batch_feed.h"

#include <ATen/record_function.h>

#include <utility>

#include "cloob/base/timer.h"

namespace cloob {

BatchFeed::BatchFeed(std::unique_ptr<Loader> loader, c10::Device device)
    : loader_(std::move(loader)), device_(device), copy_(device) {}

std::optional<DeliveredBatch> BatchFeed::next(bool on_host) {
  const Timer timer;
  DeliveredBatch delivered;
  delivered.ready_batches = loader_->ready_batches();
  try {
    RECORD_USER_SCOPE("wait for data");
    delivered.batch = loader_->next();
  } catch (const LoaderStopped&) {
    return std::nullopt;
  }
  delivered.wait_seconds = timer.seconds();
  delivered.images_on_host = delivered.batch.images_BCHW;
  if (!on_host && !device_.is_cpu()) delivered.batch.images_BCHW = copy_.take(delivered.images_on_host);
  return delivered;
}

void BatchFeed::start_next_copy(bool on_host) {
  if (on_host || device_.is_cpu()) return;
  if (const Batch* const next = loader_->peek()) copy_.start(next->images_BCHW);
}

}  // namespace cloob

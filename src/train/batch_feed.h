// Delivers batches to the device: the only place where training waits for data. Copies whole batches of images;
// a task that wants them on the host, as for gradient caching, copies what it encodes (`copy_to_device`).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "cloob/data/loader/loader.h"
#include "cloob/device/streams.h"

namespace cloob {

/// A batch for a training step, and how it was delivered.
struct DeliveredBatch {
  /// Images are on the device, unless requested on the host; tokens are on the host, where texts are packed.
  Batch batch;
  at::Tensor images_on_host;
  double wait_seconds = 0;
  std::int64_t ready_batches = 0;  ///< batches that were ready before this one
};

class BatchFeed {
 public:
  BatchFeed(std::unique_ptr<Loader> loader, c10::Device device);

  /// The next batch; nullopt if the program was asked to stop while waiting. `on_host` leaves its images on
  /// the host.
  std::optional<DeliveredBatch> next(bool on_host);
  /// Starts copying the images of the following batch, if that is ready.
  void start_next_copy(bool on_host);

  Loader& loader() { return *loader_; }
  const Loader& loader() const { return *loader_; }

 private:
  std::unique_ptr<Loader> loader_;
  c10::Device device_;
  BackgroundCopy copy_;
};

}  // namespace cloob

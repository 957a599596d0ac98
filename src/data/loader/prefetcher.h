// The threads of a loader.
#pragma once

#include <ATen/core/Tensor.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cloob/data/loader/loader.h"
#include "cloob/data/sample_reader.h"
#include "data/loader/tensor_pool.h"
#include "data/order/batch_plan.h"

namespace cloob {

/// An unusable sample.
struct SkippedSample {
  std::int64_t index;
  BadKind kind;
  std::string message;
};

struct FilledBatch {
  Batch batch;
  BatchPlaces places;
  std::vector<SkippedSample> bad;
};

/// Fills batches in order, starting at a position, `prefetch_batches` of them ahead.
///
/// Each batch has a slot in a ring buffer. Threads take rows of the slots one after another and write each in
/// place; which thread fills which row makes no difference. One thread calls `take`.
class Prefetcher {
 public:
  /// All arguments must outlive the prefetcher.
  Prefetcher(const Source& source, const Preprocess& preprocess, const SampleOrder& order,
             const Sampler& sampler, const LoaderOptions& options, std::int64_t position);
  /// Waits for the samples in progress, not for complete batches.
  ~Prefetcher();

  /// Waits for the next batch. Rethrows the exception of its first failed row, again at every call.
  FilledBatch take();
  /// Batches that `take` would return without waiting.
  std::int64_t num_ready() const;

 private:
  struct Row {
    OrderedSample sample;
    std::string key;
    std::int64_t encoded_bytes = 0;
    std::string caption;
    bool is_truncated = false;
    std::vector<std::string> all_captions;
    std::optional<SkippedSample> bad;
    std::exception_ptr error;
  };
  struct Slot {
    PlannedBatch plan;
    std::vector<Row> rows;
    std::size_t next_row = 0;  // the next one to be taken by a thread
    std::size_t unfinished = 0;
    at::Tensor images_BCHW, tokens_BL, end_positions_B;
  };

  Slot& slot(std::int64_t batch) { return slots_[static_cast<std::size_t>(batch) % slots_.size()]; }
  const Slot& slot(std::int64_t batch) const {
    return slots_[static_cast<std::size_t>(batch) % slots_.size()];
  }
  void prepare_next_slot();
  void stop();
  void work();
  bool has_row();
  void read_ahead(const Slot& slot) const;
  void fill_row(Slot& slot, std::size_t row) const;
  void write_row(Slot& slot, std::size_t row) const;
  void write_text(Slot& slot, std::size_t row, std::string caption) const;
  static FilledBatch collect(Slot& slot);

  const Source& source_;
  const Preprocess& preprocess_;
  const LoaderOptions& options_;
  std::unique_ptr<SampleReader> reader_;
  BatchPlan plan_;  // of the batches without a slot yet
  TensorPool pool_;

  mutable std::mutex mutex_;  // guards the members below and the counters of the slots
  std::condition_variable row_available_;
  std::condition_variable batch_ready_;
  std::vector<Slot> slots_;
  std::int64_t num_prepared_ = 0;    // batches that have been assigned a slot
  std::int64_t num_dispatched_ = 0;  // batches whose rows have all been taken by threads
  std::int64_t num_taken_ = 0;       // batches that `take` has returned
  bool stopping_ = false;
  std::vector<std::jthread> threads_;  // last: they use all members above
};

}  // namespace cloob

// The threads behind a loader.
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

#include "cloob/data/loader.h"
#include "data/batch_plan.h"
#include "data/sample_reader.h"
#include "data/tensor_pool.h"

namespace cloob {

/// A place that was left empty.
struct BadPlace {
  std::int64_t index;
  BadKind kind;
  std::string message;
};

struct FilledBatch {
  Batch batch;
  BatchPlaces places;
  std::vector<BadPlace> bad;
};

/// Fills batches from a position on, in order, `prefetch_batches` of them ahead.
///
/// Each batch has a slot in a ring. Threads take rows of the slots one after the other and write each where
/// it belongs; which thread fills which row makes no difference. One thread calls `take`.
class Prefetcher {
 public:
  /// Everything that is passed has to outlive the prefetcher.
  Prefetcher(const Source& source, const Preprocess& preprocess, const SampleOrder& order,
             const Sampler& sampler, const LoaderOptions& options, std::int64_t position);
  /// Waits for the samples that are being worked on, not for whole batches.
  ~Prefetcher();

  /// Waits for the next batch. Throws what the first of its rows that failed threw, again at every call.
  FilledBatch take();
  /// Batches that `take` would return without waiting.
  std::int64_t num_ready() const;

 private:
  struct Row {
    OrderedSample sample;
    std::string key;
    std::int64_t encoded_bytes = 0;
    std::string caption;
    std::vector<std::string> all_captions;
    std::optional<BadPlace> bad;
    std::exception_ptr error;
  };
  struct Slot {
    PlannedBatch plan;
    std::vector<Row> rows;
    std::size_t next_row = 0;  // the next one that a thread takes
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
  BatchPlan plan_;  // of the batches that get a slot next
  TensorPool pool_;

  mutable std::mutex mutex_;  // guards the members below and the counters of the slots
  std::condition_variable row_waits_;
  std::condition_variable batch_is_ready_;
  std::vector<Slot> slots_;
  std::int64_t num_prepared_ = 0;  // batches that have had a slot
  std::int64_t num_given_ = 0;     // batches whose rows are all taken by threads
  std::int64_t num_taken_ = 0;     // batches that `take` has returned
  bool stopping_ = false;
  std::vector<std::jthread> threads_;  // last: they use everything above
};

}  // namespace cloob

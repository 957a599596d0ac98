#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cloob/data/sample_reader.h"
#include "data/order/batch_plan.h"
#include "data/stream/stream_source.h"

namespace cloob {

/// Reads the streams of a source ahead of a loader, in its own thread.
///
/// The places that this process has in an epoch are split into windows. While the loader takes the samples of one
/// window in shuffled order, the thread reads those of the next one from front to back. If all processes share the order,
/// as in evaluation, each reads all of it and keeps its own samples.
class StreamReader final : public SampleReader {
 public:
  /// The source must outlive the reader.
  StreamReader(const StreamSource& source, const BatchPlan& plan, std::int64_t window_samples);
  ~StreamReader() override;

  /// Waits for the sample. Throws StreamStopped after `stop`.
  RawSample read(std::int64_t number, std::int64_t index) override;
  void stop() override { stop_.request_stop(); }

 private:
  // A row of the plan.
  struct Row {
    std::int64_t number;
    std::int64_t index;
    std::int64_t read_order;
  };
  // Samples that are read together; `untaken` of them are still to be taken.
  struct Window {
    std::int64_t end_number;  // past its last row
    std::int64_t untaken;
  };
  struct Result {
    RawSample sample;
    std::exception_ptr failure;
  };

  void run();
  bool find_row();
  std::vector<Row> next_window();
  bool wait_for_free_window(const std::vector<Row>& rows);
  Result read_row(const Row& row);

  const StreamSource& source_;
  std::stop_source stop_;

  // Used by the thread only.
  BatchPlan plan_;
  std::int64_t window_samples_;
  std::optional<PlannedBatch> batch_;
  std::size_t batch_row_ = 0;
  StreamCursor cursor_;

  std::mutex mutex_;  // guards the members below
  std::condition_variable_any changed_;
  std::unordered_map<std::int64_t, Result> results_;  // by row number
  std::deque<Window> windows_;                        // not yet taken completely
  std::exception_ptr failure_;                        // of the thread

  std::jthread thread_;  // last: it uses all members above
};

}  // namespace cloob

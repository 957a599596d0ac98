#include "data/stream/stream_reader.h"

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/data/bad_samples.h"

namespace cloob {

StreamReader::StreamReader(const StreamSource& source, const BatchPlan& plan, std::int64_t window_samples)
    : source_(source),
      plan_(plan),
      window_samples_(window_samples),
      cursor_(source.config(), stop_.get_token()),
      thread_([this] { run(); }) {}

StreamReader::~StreamReader() { stop(); }

// Moves on to a batch with an unread row: at the end of an epoch a rank may have none in many. False at the end of the plan.
bool StreamReader::find_row() {
  while (!batch_ || batch_row_ == batch_->rows.size()) {
    batch_ = plan_.next();
    batch_row_ = 0;
    if (!batch_) return false;
  }
  return true;
}

// The rows of the plan up to the end of a window, in the order to read them; empty at the end of the plan.
std::vector<StreamReader::Row> StreamReader::next_window() {
  struct WindowId {
    std::int64_t epoch, round, number;
    bool operator==(const WindowId&) const = default;
  };
  std::vector<Row> rows;
  std::optional<WindowId> window;
  for (; find_row(); ++batch_row_) {
    const auto [place, round] = batch_->rows[batch_row_];
    const std::int64_t number_in_share = place / plan_.shares();
    const WindowId id{batch_->places.epoch, round, number_in_share / window_samples_};
    if (!window) window = id;
    if (*window != id) break;
    rows.push_back({batch_->first_number + static_cast<std::int64_t>(batch_row_),
                    batch_->order->at(place).index, batch_->order->read_order(place)});
  }
  std::ranges::sort(rows, {}, &Row::read_order);
  return rows;
}

// Waits until at most one other window is in flight; false after a request to stop.
bool StreamReader::wait_for_free_window(const std::vector<Row>& rows) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, stop_.get_token(), [this] { return windows_.size() < 2; });
  if (stop_.stop_requested()) return false;
  const std::int64_t last = std::ranges::max(rows, {}, &Row::number).number;
  windows_.push_back({last + 1, static_cast<std::int64_t>(rows.size())});
  return true;
}

StreamReader::Result StreamReader::read_row(const Row& row) {
  try {
    return {source_.read(cursor_, row.index), nullptr};
  } catch (const BadSample&) {
    return {{}, std::current_exception()};
  }
}

void StreamReader::run() {
  try {
    for (auto rows = next_window(); !rows.empty() && wait_for_free_window(rows); rows = next_window()) {
      for (const Row& row : rows) {
        Result result = read_row(row);
        const std::lock_guard lock(mutex_);
        results_.emplace(row.number, std::move(result));
        changed_.notify_all();
      }
    }
  } catch (const StreamStopped&) {
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    changed_.notify_all();
  }
}

RawSample StreamReader::read(std::int64_t number, std::int64_t) {
  Result result;
  {
    std::unique_lock lock(mutex_);
    const auto is_available = [&] { return failure_ || results_.contains(number); };
    if (!changed_.wait(lock, stop_.get_token(), is_available)) throw StreamStopped();
    if (failure_) std::rethrow_exception(failure_);
    result = std::move(results_.extract(number).mapped());
    // Windows are consecutive in the plan.
    const auto window = std::ranges::find_if(
        windows_, [&](const Window& candidate) { return number < candidate.end_number; });
    CLOOB_CHECK(window != windows_.end(), "row {} belongs to no window", number);
    --window->untaken;
    while (!windows_.empty() && windows_.front().untaken == 0) windows_.pop_front();
    changed_.notify_all();
  }
  if (result.failure) std::rethrow_exception(result.failure);
  return std::move(result.sample);
}

}  // namespace cloob

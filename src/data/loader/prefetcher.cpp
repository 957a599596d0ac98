#include "data/loader/prefetcher.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/data/captions.h"
#include "cloob/text/padding.h"
#include "cloob/text/tokenizer.h"

namespace cloob {
namespace {

// Row `row` of a contiguous tensor.
template <class T>
std::span<T> row_of(const at::Tensor& tensor, std::size_t row) {
  const auto size = static_cast<std::size_t>(tensor.stride(0));
  return {tensor.mutable_data_ptr<T>() + row * size, size};
}

template <class T>
void move_row(const at::Tensor& tensor, std::size_t from, std::size_t to) {
  if (!tensor.defined() || from == to) return;
  const std::span<T> source = row_of<T>(tensor, from);
  std::memcpy(row_of<T>(tensor, to).data(), source.data(), source.size_bytes());
}

at::Tensor first_rows(const at::Tensor& tensor, std::size_t count) {
  return tensor.defined() ? tensor.narrow(0, 0, static_cast<std::int64_t>(count)) : at::Tensor();
}

RandomStream random_stream(RandomUse use, const LoaderOptions& options, std::int64_t epoch,
                           const OrderedSample& sample) {
  return {use,
          {options.seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(sample.index),
           static_cast<std::uint64_t>(sample.copy)}};
}

}  // namespace

Prefetcher::Prefetcher(const Source& source, const Preprocess& preprocess, const SampleOrder& order,
                       const Sampler& sampler, const LoaderOptions& options, std::int64_t position)
    : source_(source),
      preprocess_(preprocess),
      options_(options),
      plan_(order, sampler, options.rank, options.world_size, position),
      // The slots, the batch in use, and the next one, which the loader may have peeked at.
      pool_(static_cast<std::size_t>(options.prefetch_batches) + 2),
      slots_(static_cast<std::size_t>(options.prefetch_batches)) {
  const BatchPlan first_plan = plan_;
  for (std::size_t i = 0; i < slots_.size(); ++i) prepare_next_slot();
  try {
    reader_ = source_.open_reader(first_plan, options.stream_window());
    for (std::int64_t i = 0; i < options.threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error& error) {
    stop();
    throw_user_error("cannot start {} loader threads ({}): lower data.threads", options.threads,
                     error.what());
  }
}

Prefetcher::~Prefetcher() { stop(); }

void Prefetcher::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  row_available_.notify_all();
  if (reader_) reader_->stop();
  threads_.clear();
}

// Assigns the next batch to the free slot, unless the pass is over.
void Prefetcher::prepare_next_slot() {
  auto planned = plan_.next();
  if (!planned) return;
  const std::int64_t rows = planned->num_rows();
  Slot& next = slot(num_prepared_);
  next = {};
  next.plan = *std::move(planned);
  next.rows.resize(static_cast<std::size_t>(rows));
  next.unfinished = next.rows.size();
  next.images_BCHW =
      pool_.get({rows, 3, preprocess_.image_size, preprocess_.image_size}, at::kFloat, options_.pin_memory);
  if (preprocess_.text) {
    next.tokens_BL = pool_.get({rows, preprocess_.context_length}, at::kLong);
    next.end_positions_B = pool_.get({rows}, at::kLong);
  }
  {
    const std::lock_guard lock(mutex_);
    ++num_prepared_;
  }
  row_available_.notify_all();
}

bool Prefetcher::has_row() {
  while (num_dispatched_ < num_prepared_ &&
         slot(num_dispatched_).next_row == slot(num_dispatched_).rows.size()) {
    ++num_dispatched_;
  }
  return num_dispatched_ < num_prepared_;
}

void Prefetcher::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    row_available_.wait(lock, [this] { return stopping_ || has_row(); });
    if (stopping_) return;
    Slot& current = slot(num_dispatched_);
    const std::size_t row = current.next_row++;
    const bool is_next_planned = num_dispatched_ + 1 < num_prepared_;
    const Slot& next = slot(num_dispatched_ + 1);
    lock.unlock();
    if (row == 0 && is_next_planned) read_ahead(next);
    fill_row(current, row);
    lock.lock();
    if (--current.unfinished == 0) batch_ready_.notify_one();
  }
}

void Prefetcher::read_ahead(const Slot& slot) const {
  if (!preprocess_.reads_samples()) return;
  for (const PlannedRow& row : slot.plan.rows) source_.read_ahead(slot.plan.order->at(row.place).index);
}

void Prefetcher::fill_row(Slot& slot, std::size_t row) const {
  Row& result = slot.rows[row];
  try {
    result.sample = slot.plan.order->at(slot.plan.rows[row].place);
    write_row(slot, row);
  } catch (const BadSample& bad) {
    result.bad = SkippedSample{result.sample.index, bad.kind(), bad.what()};
  } catch (...) {
    result.error = std::current_exception();
  }
}

void Prefetcher::write_row(Slot& slot, std::size_t row) const {
  if (!preprocess_.reads_samples()) return;
  const OrderedSample ordered = slot.rows[row].sample;
  RawSample sample = reader_->read(slot.plan.first_number + static_cast<std::int64_t>(row), ordered.index);
  slot.rows[row].key = std::move(sample.key);
  slot.rows[row].encoded_bytes = static_cast<std::int64_t>(sample.image_bytes.size());
  if (preprocess_.text) {
    if (sample.captions.empty()) throw BadSample(BadKind::no_caption, "it has no caption");
    std::size_t choice = 0;
    if (options_.caption_choice == CaptionChoice::random) {
      choice = choose_caption(
          sample, random_stream(RandomUse::caption_choice, options_, slot.plan.places.epoch, ordered));
    }
    write_text(slot, row, std::move(sample.captions[choice]));
  } else {
    for (const std::string& caption : sample.captions) require_utf8(caption);
    slot.rows[row].all_captions = std::move(sample.captions);
  }
  RandomStream stream = random_stream(RandomUse::augmentation, options_, slot.plan.places.epoch, ordered);
  preprocess_.image(sample.image_bytes, stream, row_of<float>(slot.images_BCHW, row));
}

void Prefetcher::write_text(Slot& slot, std::size_t row, std::string caption) const {
  require_utf8(caption);
  const EncodedText encoded = preprocess_.text(caption);
  if (encoded.is_empty) throw_empty_after_cleaning(caption);
  const std::span<std::int64_t> tokens = row_of<std::int64_t>(slot.tokens_BL, row);
  CLOOB_CHECK(encoded.ids.size() <= tokens.size(), "{} tokens for {} positions", encoded.ids.size(),
              tokens.size());
  const auto end = std::copy(encoded.ids.begin(), encoded.ids.end(), tokens.begin());
  std::fill(end, tokens.end(), preprocess_.pad_id);
  row_of<std::int64_t>(slot.end_positions_B, row).front() = encoded.end_position;
  slot.rows[row].caption = std::move(caption);
  slot.rows[row].is_truncated = encoded.is_truncated;
}

FilledBatch Prefetcher::take() {
  {
    std::unique_lock lock(mutex_);
    CLOOB_CHECK(num_taken_ < num_prepared_, "the pass is over");
    constexpr std::chrono::milliseconds kStopCheck{100};
    const auto is_ready = [this] { return slot(num_taken_).unfinished == 0; };
    while (!batch_ready_.wait_for(lock, kStopCheck, is_ready)) {
      if (options_.stop_requested && options_.stop_requested()) throw LoaderStopped();
    }
  }
  // No thread touches a finished slot, so collecting needs no lock.
  FilledBatch filled = collect(slot(num_taken_));
  {
    const std::lock_guard lock(mutex_);
    ++num_taken_;
  }
  prepare_next_slot();
  return filled;
}

// Closes the gaps of skipped samples.
FilledBatch Prefetcher::collect(Slot& slot) {
  for (const Row& row : slot.rows) {
    if (row.error) std::rethrow_exception(row.error);
  }
  FilledBatch filled;
  filled.places = slot.plan.places;
  Batch& batch = filled.batch;
  batch.epoch = slot.plan.places.epoch;
  for (std::size_t from = 0; from < slot.rows.size(); ++from) {
    Row& row = slot.rows[from];
    if (row.bad) {
      filled.bad.push_back(*std::move(row.bad));
      continue;
    }
    const std::size_t to = batch.indices.size();
    move_row<float>(slot.images_BCHW, from, to);
    move_row<std::int64_t>(slot.tokens_BL, from, to);
    move_row<std::int64_t>(slot.end_positions_B, from, to);
    batch.places.push_back(slot.plan.rows[from].place);
    batch.indices.push_back(row.sample.index);
    batch.keys.push_back(std::move(row.key));
    batch.encoded_bytes += row.encoded_bytes;
    if (row.is_truncated) ++batch.num_truncated;
    if (slot.tokens_BL.defined()) {
      batch.captions.push_back(std::move(row.caption));
    } else {
      batch.all_captions.push_back(std::move(row.all_captions));
    }
  }
  batch.num_bad = static_cast<std::int64_t>(filled.bad.size());
  batch.images_BCHW = first_rows(slot.images_BCHW, batch.indices.size());
  batch.tokens_BL = first_rows(slot.tokens_BL, batch.indices.size());
  batch.end_positions_B = first_rows(slot.end_positions_B, batch.indices.size());
  if (batch.tokens_BL.defined()) batch.tokens_BL = without_padding(batch.tokens_BL, batch.end_positions_B);
  slot.images_BCHW = slot.tokens_BL = slot.end_positions_B = at::Tensor();
  return filled;
}

std::int64_t Prefetcher::num_ready() const {
  const std::lock_guard lock(mutex_);
  std::int64_t batch = num_taken_;
  while (batch < num_prepared_ && slot(batch).unfinished == 0) ++batch;
  return batch - num_taken_;
}

}  // namespace cloob

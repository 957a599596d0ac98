#include "cloob/data/loader/loader.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "data/loader/prefetcher.h"

namespace cloob {

LoaderOptions make_loader_options(const DataConfig& config, Purpose purpose, std::int64_t batch_size,
                                  std::uint64_t seed) {
  LoaderOptions options;
  options.purpose = purpose;
  options.batch_size = batch_size;
  options.seed = seed;
  options.caption_choice = purpose == Purpose::training ? config.caption_choice : CaptionChoice::first;
  options.shuffle = config.shuffle;
  options.shuffle_window = config.shuffle_window;
  options.stream_buffer = config.stream.buffer_samples;
  options.with_replacement = config.with_replacement;
  options.last_batch = config.last_batch;
  options.max_bad_share = config.max_bad_share;
  options.threads = resolve_threads(config.threads);
  options.prefetch_batches = config.prefetch_batches;
  return options;
}

std::int64_t LoaderOptions::stream_window() const {
  constexpr std::int64_t kUnshuffledWindow = 256;
  return purpose == Purpose::training && shuffle != Shuffle::none ? stream_buffer : kUnshuffledWindow;
}

namespace {

// A rank without samples would only wait, and every batch would be smaller by its part.
void require_shares(const RankShares& shares) {
  if (shares.num_samples() == 0 || shares.smallest() > 0) return;
  std::int64_t ranks = 0;
  for (std::int64_t rank = 0; rank < shares.ranks(); ++rank) ranks += shares.size_of(rank) > 0 ? 1 : 0;
  throw_user_error(
      "the training data has {} for {}, and each shard of a stream is read by one rank: start at most {}, split the data "
      "into more shards, or copy them to files",
      counted(ranks, "shard"), counted(shares.ranks(), "rank"), ranks);
}

SampleOrder require_samples(SampleOrder order) {
  if (order.size() == 0)
    throw_user_error("the data has no samples, or none in a source with a weight above 0");
  return order;
}

}  // namespace

SampleOrder order_of(const Source& source, const LoaderOptions& options) {
  if (options.purpose == Purpose::evaluation) return SampleOrder(source.size());
  if (source.is_stream() && (options.shuffle == Shuffle::full || options.with_replacement)) {
    throw_user_error(
        "data.{} needs random access, but streams can only be read from front to back: use data.shuffle "
        "windows, which shuffles data.stream.buffer_samples at a time",
        options.with_replacement ? "with_replacement" : "shuffle full");
  }
  SampleOrder order(source.parts(), {.shuffle = options.shuffle,
                                     .window_parts = options.shuffle_window,
                                     .with_replacement = options.with_replacement,
                                     .seed = options.seed,
                                     .window_samples = source.is_stream() ? options.stream_buffer : 0,
                                     .ranks = source.is_stream() ? options.world_size : 1});
  require_shares(order.shares());
  return order;
}

Loader::Loader(std::shared_ptr<const Source> source, Preprocess preprocess, const LoaderOptions& options)
    : Loader(source, std::move(preprocess), order_of(*source, options), options) {}

Loader::Loader(std::shared_ptr<const Source> source, Preprocess preprocess, SampleOrder order,
               const LoaderOptions& options)
    : source_(std::move(source)),
      preprocess_(std::move(preprocess)),
      options_(options),
      order_(require_samples(std::move(order))),
      sampler_(options.purpose, order_.size(), options.batch_size, options.last_batch) {
  CLOOB_CHECK(options.threads >= 1 && options.prefetch_batches >= 1,
              "a loader needs at least one thread and one batch");
  CLOOB_CHECK(options.rank >= 0 && options.rank < options.world_size, "rank {} of {}", options.rank,
              options.world_size);
  const std::int64_t shares = order_.shares().ranks();
  CLOOB_CHECK(shares == 1 || shares == options.world_size, "an order for {} ranks on {}", shares,
              options.world_size);
  if (sampler_.batches_per_epoch() == 0) {
    throw_user_error(
        "the training data has {} samples, fewer than one batch of train.global_batch_size {}: use a smaller "
        "batch or more data, or set data.last_batch to wrap",
        with_thousands(order_.num_samples()), with_thousands(options.batch_size));
  }
}

Loader::~Loader() = default;

void Loader::seek(std::int64_t position) {
  CLOOB_CHECK(position >= 0, "position {}", position);
  prefetcher_.reset();
  ahead_.reset();
  position_ = position;
  failure_ = nullptr;
  epoch_seen_ = epoch_truncated_ = 0;
  epoch_bad_ = {};
}

void Loader::unread() {
  bad_ = before_last_.bad;
  seen_ = before_last_.seen;
  seek(before_last_.position);
}

double Loader::epochs_done() const {
  const BatchPlaces next = sampler_.batch_at(position_);
  const double in_order = static_cast<double>(next.epoch) +
                          static_cast<double>(next.first) / static_cast<double>(sampler_.size());
  return in_order * order_.passes_per_epoch();
}

std::int64_t Loader::ready_batches() const {
  const std::int64_t ready = (ahead_ ? 1 : 0) + (prefetcher_ ? prefetcher_->num_ready() : 0);
  return std::min(ready, options_.prefetch_batches);
}

const Batch* Loader::peek() {
  if (!ahead_ && !failure_ && !finished() && ready_batches() > 0) {
    try {
      ahead_ = std::make_unique<FilledBatch>(prefetcher_->take());
    } catch (...) {
      failure_ = std::current_exception();  // rethrown by `next`
    }
  }
  return ahead_ ? &ahead_->batch : nullptr;
}

Batch Loader::next() {
  if (failure_) std::rethrow_exception(failure_);
  if (!prefetcher_) {
    prefetcher_ = std::make_unique<Prefetcher>(*source_, preprocess_, order_, sampler_, options_, position_);
  }
  FilledBatch filled = ahead_ ? std::move(*std::exchange(ahead_, nullptr)) : prefetcher_->take();
  before_last_ = {position_, bad_, seen_};
  try {
    count(filled);
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
  position_ = filled.places.next_position;
  return std::move(filled.batch);
}

void Loader::count(const FilledBatch& filled) {
  if (filled.places.epoch != epoch_) {
    epoch_ = filled.places.epoch;
    epoch_seen_ = epoch_truncated_ = 0;
    epoch_bad_ = {};
  }
  const std::int64_t seen = filled.batch.size() + filled.batch.num_bad;
  epoch_seen_ += seen;
  epoch_truncated_ += filled.batch.num_truncated;
  seen_ += seen;
  for (const SkippedSample& bad : filled.bad) {
    const auto example = [&] { return fmt::format("{}: {}", source_->describe(bad.index), bad.message); };
    const bool is_first = bad_.count(bad.kind) == 0;
    bad_.add(bad.kind, example);
    epoch_bad_.add(bad.kind, example);
    if (is_first && options_.logs_faults) {
      log_warning("data", "unusable sample ({}): {}", bad_kind_name(bad.kind), bad_.examples(bad.kind)[0]);
    }
  }
  const std::int64_t next = filled.places.next_position;
  const bool at_end = sampler_.ended_at(next) || sampler_.batch_at(next).epoch != filled.places.epoch;
  if (options_.purpose == Purpose::training) {
    check_bad_share(at_end);
  } else if (at_end && options_.judges_unusable) {
    // Evaluation reads in stored order, where bad samples may be clustered, so it judges only the complete data.
    judge_unusable(epoch_bad_, epoch_seen_, options_.max_bad_share);
  }
  report_truncated(at_end, seen_ - seen);
}

// An epoch may take days, so the fraction is told early as well.
void Loader::report_truncated(bool at_end, std::int64_t seen_before) const {
  constexpr std::int64_t kEnough = 1000;
  const bool is_early = seen_before < kEnough && seen_ >= kEnough;
  if (epoch_truncated_ == 0 || (!at_end && !is_early) || !options_.logs_faults) return;
  log_warning("data",
              "{} of {} captions{} have more tokens than the context length of {}: their ends are cut off",
              with_thousands(epoch_truncated_), with_thousands(epoch_seen_ - epoch_bad_.total()),
              at_end ? of_epoch() : "", preprocess_.context_length);
}

std::string Loader::of_epoch() const {
  return options_.purpose == Purpose::training ? fmt::format(" of epoch {}", epoch_) : "";
}

void Loader::check_bad_share(bool at_end) const {
  // After this many samples, one may conclude that all are unusable, or what fraction is.
  constexpr std::int64_t kMinForAll = 64, kMinForFraction = 1000;
  const std::int64_t num_bad = epoch_bad_.total();
  if (num_bad == 0) return;
  const std::int64_t batched_samples = sampler_.batches_per_epoch() * options_.batch_size;
  const std::int64_t size =
      std::max<std::int64_t>(1, std::min(batched_samples, order_.num_samples()) / options_.world_size);
  if (bad_.total() == seen_ && (at_end || seen_ >= std::min(kMinForAll, size))) {
    throw_user_error("none of the first {} samples is usable ({}): {}", with_thousands(seen_), bad_.by_kind(),
                     bad_.first_examples());
  }
  const auto denominator = static_cast<double>(std::max(epoch_seen_, std::min(kMinForFraction, size)));
  double allowed = options_.max_bad_share * denominator;
  // Before the end of the epoch, allow three standard deviations more: an unlucky order is not the user's
  // fault.
  if (!at_end) allowed += 3 * std::sqrt(allowed);
  if (static_cast<double>(num_bad) > allowed) {
    throw_user_error(
        "{} of {} samples of epoch {} are unusable, more than data.max_bad_share ({}) allows; so far {}: {}",
        with_thousands(num_bad), with_thousands(epoch_seen_), epoch_, shortest(options_.max_bad_share),
        bad_.by_kind(), bad_.first_examples());
  }
  if (at_end && options_.logs_faults) {
    log_warning("data", "{} of {} samples of epoch {} were unusable: {}", with_thousands(num_bad),
                with_thousands(epoch_seen_), epoch_, epoch_bad_.by_kind());
  }
}

}  // namespace cloob

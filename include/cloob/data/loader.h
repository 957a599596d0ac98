// Batches in a fixed order, made ready ahead of time by threads.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "cloob/data/bad_samples.h"
#include "cloob/data/batch.h"
#include "cloob/data/data_config.h"
#include "cloob/data/preprocess.h"
#include "cloob/data/sample_order.h"
#include "cloob/data/sampler.h"
#include "cloob/data/source.h"

namespace cloob {

class Prefetcher;
struct FilledBatch;

struct LoaderOptions {
  Purpose purpose = Purpose::training;
  std::int64_t batch_size = 0;  ///< of the global batch
  std::uint64_t seed = 0;
  /// The loader delivers slice `rank` of `world_size` slices of every global batch.
  std::int64_t rank = 0;
  std::int64_t world_size = 1;
  CaptionChoice caption_choice = CaptionChoice::first;
  Shuffle shuffle = Shuffle::full;  ///< of training; evaluation takes samples as they lie
  std::int64_t shuffle_window = 1;
  std::int64_t stream_buffer = 1;  ///< samples of a stream that are mixed with each other
  bool with_replacement = false;
  LastBatch last_batch = LastBatch::drop;
  double max_bad_share = 0;
  std::int64_t threads = 1;
  std::int64_t prefetch_batches = 1;
  /// Of images, which a GPU then copies while the CPU goes on: a batch must outlive that copy, since its
  /// memory is used again.
  bool pin_memory = false;
  /// Asked now and then while `next` waits; it then throws LoaderStopped.
  std::function<bool()> stop_requested = {};

  /// Places of an epoch that a stream is read ahead by.
  std::int64_t stream_window() const;
};

/// Somebody has asked to stop while a batch was waited for, see LoaderOptions::stop_requested.
class LoaderStopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped"; }
};

/// Options from the section `data`, for one process. Evaluation takes first captions.
LoaderOptions make_loader_options(const DataConfig& config, Purpose purpose, std::int64_t batch_size,
                                  std::uint64_t seed);

/// Goes through a source: in training without end and in a new order every epoch, in evaluation once.
///
/// Batches depend on source, preprocessing, seed and position alone: any number of threads gives the same
/// ones, bit for bit. An unusable sample leaves its place empty and is counted; the first of each kind is
/// logged, and the counts at the end of every pass. `next` throws UserError when there are more than
/// `max_bad_share` of them, or nothing else, and passes on what else went wrong in a thread; it then throws
/// the same again until `seek`. One thread uses a loader; the threads start with the first `next`. It may be
/// destroyed at any time.
class Loader {
 public:
  /// Throws UserError when the source is smaller than one training batch, or a stream that is to be read in
  /// an order that jumps.
  Loader(std::shared_ptr<const Source> source, Preprocess preprocess, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;  // its threads hold on to it
  Loader& operator=(const Loader&) = delete;

  /// The next batch; may have fewer rows than asked for, even none. Needs !finished().
  Batch next();
  /// The batch that `next` will give, where it is ready, otherwise null; it stays where it is.
  const Batch* peek();
  /// Whether the pass is over; training never ends.
  bool finished() const { return sampler_.ended_at(position_); }

  /// Where the next batch begins (see Sampler): all there is to save of a loader.
  std::int64_t position() const { return position_; }
  /// Goes on from another position, and forgets about an earlier failure.
  void seek(std::int64_t position);
  /// Passes over the data before the next batch; a whole number where that begins an epoch.
  double epochs_done() const;
  std::int64_t batches_per_epoch() const { return sampler_.batches_per_epoch(); }
  /// Batches that are left of the epoch of the next one.
  std::int64_t batches_left() const { return sampler_.batches_left(position_); }
  /// Places in an epoch: the samples of the source, unless weights repeat some or leave some out.
  std::int64_t samples_per_epoch() const { return order_.size(); }

  /// Samples that came since this loader was made, unusable ones too.
  std::int64_t samples_seen() const { return seen_; }
  /// The unusable ones of them.
  const BadSampleCounts& bad_samples() const { return bad_; }
  const Source& source() const { return *source_; }
  /// Seconds that `next` has waited since this loader was made.
  double wait_seconds() const { return wait_seconds_; }
  /// Batches that are ready now. Zero most of the time: the run is bound by its data; `prefetch_batches`: by
  /// its compute.
  std::int64_t ready_batches() const;

 private:
  void count(const FilledBatch& filled);
  void check_bad_share(bool at_end) const;
  std::string of_epoch() const;

  std::shared_ptr<const Source> source_;
  Preprocess preprocess_;
  LoaderOptions options_;
  SampleOrder order_;
  Sampler sampler_;
  std::int64_t position_ = 0;
  BadSampleCounts bad_;
  std::int64_t seen_ = 0;   // places since this loader was made
  std::int64_t epoch_ = 0;  // of the two numbers below
  std::int64_t epoch_seen_ = 0;
  BadSampleCounts epoch_bad_;
  std::exception_ptr failure_;
  double wait_seconds_ = 0;
  std::unique_ptr<Prefetcher> prefetcher_;
  std::unique_ptr<FilledBatch> ahead_;  // the next batch, once somebody has peeked at it
};

}  // namespace cloob

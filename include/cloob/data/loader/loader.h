// Batches in a fixed order, prefetched by threads.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "cloob/data/bad_samples.h"
#include "cloob/data/data_config.h"
#include "cloob/data/loader/batch.h"
#include "cloob/data/loader/preprocess.h"
#include "cloob/data/order/sample_order.h"
#include "cloob/data/order/sampler.h"
#include "cloob/data/source.h"

namespace cloob {

class Prefetcher;
struct FilledBatch;

struct LoaderOptions {
  Purpose purpose = Purpose::training;
  std::int64_t batch_size = 0;  ///< global, over all ranks
  std::uint64_t seed = 0;
  /// The loader delivers slice `rank` of `world_size` slices of every global batch. Of a stream in training, it delivers
  /// the share of the rank (see RankShares), of which each batch has at most as many samples as a slice.
  std::int64_t rank = 0;
  std::int64_t world_size = 1;
  CaptionChoice caption_choice = CaptionChoice::first;
  Shuffle shuffle = Shuffle::full;  ///< in training; evaluation keeps the stored order
  std::int64_t shuffle_window = 1;
  std::int64_t stream_buffer = 1;  ///< samples of a stream that are shuffled together
  bool with_replacement = false;
  LastBatch last_batch = LastBatch::drop;
  double max_bad_share = 0;
  /// In evaluation: whether the end of the pass judges the unusable samples (judge_unusable). A rank that reads a slice of the
  /// data leaves that to whoever knows the counts of all ranks.
  bool judges_unusable = true;
  /// Whether unusable samples and truncated captions are logged: not by a second pass over the same samples.
  bool logs_faults = true;
  std::int64_t threads = 1;
  std::int64_t prefetch_batches = 1;
  /// Whether images are in pinned memory, which a GPU copies while the CPU continues: a batch must outlive
  /// that copy, since its memory is reused.
  bool pin_memory = false;
  /// Polled while `next` waits; if it returns true, `next` throws LoaderStopped.
  std::function<bool()> stop_requested = {};

  /// Samples of an epoch that a stream is read ahead.
  std::int64_t stream_window() const;
};

/// A stop was requested while waiting for a batch, see LoaderOptions::stop_requested.
class LoaderStopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped"; }
};

/// Options from the section `data`, for a single process. Evaluation uses first captions.
LoaderOptions make_loader_options(const DataConfig& config, Purpose purpose, std::int64_t batch_size,
                                  std::uint64_t seed);

/// The order in which training iterates over a source; in evaluation, the stored order. That of a stream is divided over
/// `world_size` ranks. Throws UserError for a stream if the order needs random access or a rank would have no share.
SampleOrder order_of(const Source& source, const LoaderOptions& options);

/// Iterates over a source: in training endlessly and in a new order every epoch, in evaluation once.
///
/// Batches depend only on source, preprocessing, seed and position: any number of threads gives the same
/// ones, bit for bit. An unusable sample is skipped and counted; the first of each kind is logged, and the
/// counts at the end of every pass, with those of truncated captions. `next` throws UserError if more than `max_bad_share` of
/// the samples, or all of them, are unusable, and rethrows any other exception of a thread; it then throws the same again until
/// `seek`. A loader is used by one thread; its own threads start with the first `next`. It may be destroyed at any time.
class Loader {
 public:
  /// `order` is one that `order_of` makes for the source, or one of fewer samples; for a stream, only the
  /// former. Throws UserError if it is smaller than one training batch.
  Loader(std::shared_ptr<const Source> source, Preprocess preprocess, SampleOrder order,
         const LoaderOptions& options);
  /// In the order given by the options (`order_of`).
  Loader(std::shared_ptr<const Source> source, Preprocess preprocess, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;  // its threads refer to it
  Loader& operator=(const Loader&) = delete;

  /// The next batch; may have fewer rows than requested, even none. Needs !finished().
  Batch next();
  /// Undoes the last `next`: position and counts are those before it, and `next` reads the batch again.
  void unread();
  /// The batch that `next` will return, or null if it is not ready; does not consume it.
  const Batch* peek();
  /// Whether the pass is over; training never ends.
  bool finished() const { return sampler_.ended_at(position_); }

  /// Where the next batch begins (see Sampler): the whole state of a loader.
  std::int64_t position() const { return position_; }
  /// Continues from another position, and clears an earlier failure.
  void seek(std::int64_t position);
  /// Passes over the data before the next batch; without episodes an integer if that batch begins an epoch.
  double epochs_done() const;
  /// The epoch of the next batch; of an order of episodes, the episode.
  std::int64_t epoch() const { return sampler_.batch_at(position_).epoch; }
  /// Whether the next batch is the first one of its epoch.
  bool begins_epoch() const { return sampler_.batch_at(position_).first == 0; }
  std::int64_t batches_per_epoch() const { return sampler_.batches_per_epoch(); }
  /// Batches left in the epoch of the next batch.
  std::int64_t batches_left() const { return sampler_.batches_left(position_); }
  /// Samples per epoch: those of the source, unless weights repeat some or leave some out.
  std::int64_t samples_per_epoch() const { return order_.num_samples(); }
  /// What an epoch adds to the position: its samples, and the empty places of an order that is divided over ranks.
  std::int64_t places_per_epoch() const { return order_.size(); }

  /// Samples delivered since this loader was created, including unusable ones.
  std::int64_t samples_seen() const { return seen_; }
  /// The unusable ones among them.
  const BadSampleCounts& bad_samples() const { return bad_; }
  const std::shared_ptr<const Source>& source() const { return source_; }
  const SampleOrder& order() const { return order_; }
  /// Batches that are ready now. If it is mostly zero, the run is bound by its data; if `prefetch_batches`,
  /// by its compute.
  std::int64_t ready_batches() const;

 private:
  void count(const FilledBatch& filled);
  void check_bad_share(bool at_end) const;
  void report_truncated(bool at_end, std::int64_t seen_before) const;
  std::string of_epoch() const;

  // The state before the last batch.
  struct Mark {
    std::int64_t position = 0;
    BadSampleCounts bad;
    std::int64_t seen = 0;
  };

  std::shared_ptr<const Source> source_;
  Preprocess preprocess_;
  LoaderOptions options_;
  SampleOrder order_;
  Sampler sampler_;
  std::int64_t position_ = 0;
  BadSampleCounts bad_;
  std::int64_t seen_ = 0;   // samples since this loader was created
  std::int64_t epoch_ = 0;  // of the numbers below
  std::int64_t epoch_seen_ = 0;
  std::int64_t epoch_truncated_ = 0;
  BadSampleCounts epoch_bad_;
  Mark before_last_;
  std::exception_ptr failure_;
  std::unique_ptr<Prefetcher> prefetcher_;
  std::unique_ptr<FilledBatch> ahead_;  // the next batch, if it has been peeked at
};

}  // namespace cloob

// Where samples come from: indexed, and readable in any order from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cloob/base/tally.h"
#include "cloob/data/data_config.h"
#include "cloob/data/order/sample_order.h"

namespace cloob {

/// One sample as stored.
struct RawSample {
  std::string key;                           ///< file path, or name in the shard without suffix
  std::vector<std::byte> image_bytes;        ///< the encoded image
  std::vector<std::string> captions;         ///< at least one, unless the source has no captions at all
  std::vector<double> caption_weights = {};  ///< relative probabilities of a random choice; empty: all equal
};

/// What is wrong with the files of a source, as found when it was opened.
struct SourceFaults {
  Tally damaged_shards;
  /// Samples with the key of an earlier sample of the same shard; they are used nevertheless.
  Tally duplicate_keys;
};

class BatchPlan;
class SampleReader;

/// Samples 0..size-1. All functions are thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::int64_t size() const = 0;
  /// The samples in the order of their indices, split at file boundaries.
  virtual std::vector<SourcePart> parts() const { return {{size(), 1}}; }
  /// Whether samples can only be read sequentially, in stored order; random access is then slow.
  virtual bool is_stream() const { return false; }
  /// For shards: suffixes of the members of a sample, joined by commas -> number of such samples.
  virtual std::map<std::string, std::int64_t> member_kinds() const { return {}; }
  /// Throws BadSample (bad_samples.h) if this sample is unusable.
  virtual RawSample read(std::int64_t index) const = 0;
  /// The name of a sample (RawSample::key), without reading its image if possible. Throws BadSample.
  virtual std::string key(std::int64_t index) const { return read(index).key; }
  /// The captions of a sample, without reading its image if possible. Throws BadSample.
  virtual std::vector<std::string> read_captions(std::int64_t index) const { return read(index).captions; }
  /// Adds the faults of its files.
  virtual void add_faults(SourceFaults& faults) const { static_cast<void>(faults); }
  /// The location of a sample, for messages: "train.tsv:17" or "00003.tar, sample 12".
  virtual std::string describe(std::int64_t index) const = 0;
  /// Asks the operating system to prefetch a sample that will be read soon, without waiting for it.
  virtual void read_ahead(std::int64_t) const {}
  /// For a loader that reads the rows of `plan` roughly in order. A stream is read ahead: in windows of
  /// `window_samples` places that this process has in an epoch, one window in advance. The source must outlive the reader.
  virtual std::unique_ptr<SampleReader> open_reader(const BatchPlan& plan, std::int64_t window_samples) const;
};

/// Called with the number of scanned shards and the total. Calls come from any thread, one at a time.
using IndexProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Gives the numbers of samples of the streams `names`: by `count`, which may read all of them, or from another process
/// that did.
using StreamCounting = std::function<std::vector<std::int64_t>(
    const std::vector<std::string>& names, const std::function<std::vector<std::int64_t>()>& count)>;

/// Opens `names` (DataConfig::train or val, or the argument of a command) as one source.
///
/// Shards are scanned and tables indexed here, so that a missing file, a wrong column or data without any
/// usable sample is a UserError right away. Without `counting`, this process counts streams itself.
std::shared_ptr<const Source> make_source(const DataConfig& config, const std::vector<std::string>& names,
                                          Purpose purpose, const IndexProgress& progress = {},
                                          const StreamCounting& counting = {});

/// Image files without captions, in the given order.
std::shared_ptr<const Source> make_image_file_source(std::vector<std::filesystem::path> files);

}  // namespace cloob

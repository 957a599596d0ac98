// Where samples come from: numbered, and readable in any order from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cloob/data/data_config.h"
#include "cloob/data/sample_order.h"

namespace cloob {

/// One sample as it is stored.
struct RawSample {
  std::string key;                     ///< file path, or name in the shard without suffix
  std::vector<std::byte> image_bytes;  ///< the encoded image
  std::vector<std::string> captions;   ///< at least one, unless the source has no captions at all
};

class BatchPlan;
class SampleReader;

/// Samples 0..size-1. All functions are thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::int64_t size() const = 0;
  /// The samples in the order of their numbers, cut where another file begins.
  virtual std::vector<SourcePart> parts() const { return {{size(), 1}}; }
  /// Whether samples can only be read one behind the other, as they lie; then an order that jumps is slow.
  virtual bool is_stream() const { return false; }
  /// Of shards: suffixes of the members of a sample, joined by commas -> number of such samples.
  virtual std::map<std::string, std::int64_t> member_kinds() const { return {}; }
  /// Throws BadSample (bad_samples.h) when this one sample is unusable.
  virtual RawSample read(std::int64_t index) const = 0;
  /// The name of a sample (RawSample::key), without its image where that saves reading it. Throws BadSample.
  virtual std::string key(std::int64_t index) const { return read(index).key; }
  /// The captions of a sample, without its image where that saves reading it. Throws BadSample.
  virtual std::vector<std::string> read_captions(std::int64_t index) const { return read(index).captions; }
  /// Where the sample lies, for messages: "train.tsv:17" or "00003.tar, sample 12".
  virtual std::string describe(std::int64_t index) const = 0;
  /// Asks the system to bring in a sample that will be read soon, without waiting for it.
  virtual void read_ahead(std::int64_t) const {}
  /// For a loader that reads the rows of `plan` in about their order. A stream is read ahead of it: each
  /// `window_samples` places of an epoch, and as many in advance. The source outlives the reader.
  virtual std::unique_ptr<SampleReader> open_reader(const BatchPlan& plan, std::int64_t window_samples) const;
};

/// Told how many shards have been gone through, of how many. May be called from any thread, one at a time.
using IndexProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Opens `names` (DataConfig::train or val, or a command's argument) as one source.
///
/// Shards are scanned and tables indexed here, so that a missing file, a wrong column or data without any
/// usable sample is a UserError at once.
std::shared_ptr<const Source> make_source(const DataConfig& config, const std::vector<std::string>& names,
                                          Purpose purpose, const IndexProgress& progress = {});

/// Image files without captions, in the given order.
std::shared_ptr<const Source> make_image_file_source(std::vector<std::filesystem::path> files);

}  // namespace cloob

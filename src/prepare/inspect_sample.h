// Inspects single samples, for `inspect_source`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/image/image.h"
#include "cloob/prepare/inspect.h"

namespace cloob {

/// Used to find duplicates; zero for an unusable sample, never zero for a usable one.
struct SampleHashes {
  std::uint64_t key = 0;
  std::uint64_t image = 0;
  std::vector<std::uint64_t> captions;  ///< of cleaned text
};
std::uint64_t hash_of_caption(std::string_view caption);

/// Inspects samples one by one and adds the findings to `counts`, except those that need more than one
/// sample. Used by one thread.
class SampleInspector {
 public:
  SampleInspector(const Source& source, const InspectOptions& options) : source_(source), options_(options) {}

  SampleHashes inspect(std::int64_t index);
  const DataInspection& counts() const { return counts_; }

 private:
  void inspect_captions(std::int64_t index, const RawSample& sample, SampleHashes& hashes);
  void inspect_caption(std::int64_t index, const std::string& caption, SampleHashes& hashes);
  void inspect_image(std::int64_t index, const std::vector<std::byte>& encoded, ImageSize size,
                     const ImageU8& reduced);
  void add(Measure measure, double value) { counts_.measures[static_cast<std::size_t>(measure)].add(value); }
  template <class MakeDetail>
  void suspect(Suspicion suspicion, std::int64_t index, const MakeDetail& detail);

  const Source& source_;
  const InspectOptions& options_;
  PixelMemory memory_;  // of the last image, to be reused
  DataInspection counts_;
};

/// Adds the counts of one inspector to `total`; the order does not matter.
void merge_counts(DataInspection& total, const DataInspection& part);

}  // namespace cloob

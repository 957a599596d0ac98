// One sample after the other, for `inspect_source`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/data/inspect.h"
#include "cloob/image/image.h"

namespace cloob {

/// By which repetitions are found; zero for an unusable sample, and never for a usable one.
struct SampleHashes {
  std::uint64_t key = 0;
  std::uint64_t image = 0;
  std::vector<std::uint64_t> captions;  ///< of cleaned text
};
std::uint64_t hash_of_caption(std::string_view caption);

/// Looks at samples one by one and adds what it finds to `counts`, except what takes more than one sample to
/// see. One thread each.
class SampleInspector {
 public:
  SampleInspector(const Source& source, const InspectOptions& options) : source_(source), options_(options) {}

  SampleHashes inspect(std::int64_t index);
  const DataInspection& counts() const { return counts_; }

 private:
  void inspect_captions(std::int64_t index, const RawSample& sample, SampleHashes& hashes);
  void inspect_caption(std::int64_t index, const std::string& caption, SampleHashes& hashes);
  void inspect_picture(std::int64_t index, const std::vector<std::byte>& encoded, ImageSize size,
                       const ImageU8& reduced);
  void add(Measure measure, double value) { counts_.measures[static_cast<std::size_t>(measure)].add(value); }
  template <class MakeDetail>
  void suspect(Suspicion suspicion, std::int64_t index, const MakeDetail& detail);

  const Source& source_;
  const InspectOptions& options_;
  PixelMemory memory_;  // of the last picture
  DataInspection counts_;
};

/// Adds the counts of one inspector to those of others, in any order.
void merge_counts(DataInspection& total, const DataInspection& part);

}  // namespace cloob

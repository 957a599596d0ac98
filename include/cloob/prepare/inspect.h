// Statistics of a source before training on it: counts, sizes and lengths, and what looks wrong. Implements
// `cloob data inspect`.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/config/field.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/source.h"
#include "cloob/prepare/distribution.h"
#include "cloob/text/tokenizer.h"

namespace cloob {

/// What is measured for every usable sample, its captions and its image.
enum class Measure {
  captions_per_sample,
  caption_characters,  ///< with white space collapsed
  caption_words,       ///< separated by blanks
  caption_tokens,      ///< with start and end token, not truncated
  image_width,         ///< pixels
  image_height,
  image_megapixels,
  aspect_ratio,    ///< width / height
  image_kib,       ///< of the file
  border_percent,  ///< of the image area, for images with white_border or black_border
};
template <>
struct EnumNames<Measure> {
  static constexpr std::array<std::pair<std::string_view, Measure>, 10> names = {
      {{"captions_per_sample", Measure::captions_per_sample},
       {"caption_characters", Measure::caption_characters},
       {"caption_words", Measure::caption_words},
       {"caption_tokens", Measure::caption_tokens},
       {"image_width", Measure::image_width},
       {"image_height", Measure::image_height},
       {"image_megapixels", Measure::image_megapixels},
       {"aspect_ratio", Measure::aspect_ratio},
       {"image_kib", Measure::image_kib},
       {"border_percent", Measure::border_percent}}};
};
inline constexpr std::size_t kNumMeasures = EnumNames<Measure>::names.size();

/// What looks wrong with usable samples. Captions are counted individually.
enum class Suspicion {
  empty_caption,     ///< empty after cleaning
  no_letters,        ///< only digits and punctuation
  few_letters,       ///< one or two letters
  address,           ///< a caption contains a web address or the name of an image file
  cut_caption,       ///< more tokens than the context length
  repeated_caption,  ///< equal to an earlier caption, after cleaning
  invalid_caption,   ///< not valid UTF-8
  line_break,        ///< a caption has several lines
  percent_encoded,   ///< a caption looks like a part of a web address, 'a+dog%2C+asleep'
  white_border,      ///< white bars on two opposite sides, but not on the others
  black_border,
  one_color,         ///< all pixels (nearly) the same
  gray,              ///< no color
  small_image,       ///< a side is shorter than the training size
  extreme_ratio,     ///< one side is more than three times the other
  repeated_picture,  ///< an image with the bytes of an earlier one that has another name
  repeated_key,      ///< the key of an earlier sample
  invalid_key,       ///< not valid UTF-8
};
template <>
struct EnumNames<Suspicion> {
  static constexpr std::array<std::pair<std::string_view, Suspicion>, 18> names = {
      {{"empty_caption", Suspicion::empty_caption},
       {"no_letters", Suspicion::no_letters},
       {"few_letters", Suspicion::few_letters},
       {"address", Suspicion::address},
       {"cut_caption", Suspicion::cut_caption},
       {"repeated_caption", Suspicion::repeated_caption},
       {"invalid_caption", Suspicion::invalid_caption},
       {"line_break", Suspicion::line_break},
       {"percent_encoded", Suspicion::percent_encoded},
       {"white_border", Suspicion::white_border},
       {"black_border", Suspicion::black_border},
       {"one_color", Suspicion::one_color},
       {"gray", Suspicion::gray},
       {"small_image", Suspicion::small_image},
       {"extreme_ratio", Suspicion::extreme_ratio},
       {"repeated_picture", Suspicion::repeated_picture},
       {"repeated_key", Suspicion::repeated_key},
       {"invalid_key", Suspicion::invalid_key}}};
};
inline constexpr std::size_t kNumSuspicions = EnumNames<Suspicion>::names.size();

/// What a suspicion refers to.
enum class SuspicionUnit { caption, picture, sample };
SuspicionUnit unit_of(Suspicion suspicion);

/// All text fits on one line of a terminal: control characters and broken UTF-8 are replaced, and long text
/// is truncated.
struct InspectionExample {
  std::int64_t index = 0;  ///< of the sample in its source
  std::string place;       ///< Source::describe
  std::string detail;      ///< for example the caption, the size or the error; may be empty
};

struct InspectionTally {
  std::int64_t count = 0;
  std::vector<InspectionExample> examples;  ///< the first ones, at most kMaxExamples
  static constexpr std::size_t kMaxExamples = 3;
};

struct FrequentCaption {
  std::string caption;  ///< as in its first sample, as one line
  std::int64_t count = 0;
};

struct InspectOptions {
  std::int64_t limit = 20'000;  ///< number of samples inspected, spread evenly over the source; 0: all
  std::int64_t threads = 0;     ///< 0: one per processor
  std::int64_t image_size = 224;
  std::int64_t max_image_pixels = 178'956'970;
  std::int64_t context_length = 77;
  std::shared_ptr<const Tokenizer> tokenizer;
};

struct DataInspection {
  // Of the complete source.
  std::int64_t num_samples = 0;
  std::int64_t num_files = 0;  ///< shards or tables
  /// Suffixes of a sample's members, joined by commas -> samples; empty for tables.
  std::map<std::string, std::int64_t> member_kinds;

  // Of the inspected samples.
  std::int64_t num_inspected = 0;
  std::array<InspectionTally, kNumBadKinds> unusable;  ///< by BadKind

  // Of the usable ones among them.
  std::int64_t num_usable = 0;
  std::int64_t num_captions = 0;
  std::int64_t image_bytes = 0;
  std::map<std::string, std::int64_t> formats;             ///< "JPEG" -> images
  std::array<Distribution, kNumMeasures> measures;         ///< by Measure
  std::array<InspectionTally, kNumSuspicions> suspicions;  ///< by Suspicion
  std::vector<FrequentCaption> frequent_captions;          ///< those that occur more than once, at most ten
  std::vector<std::int64_t> spread;                        ///< a few usable samples, spread over the source

  const Distribution& of(Measure measure) const { return measures[static_cast<std::size_t>(measure)]; }
  const InspectionTally& of(Suspicion suspicion) const {
    return suspicions[static_cast<std::size_t>(suspicion)];
  }
  const InspectionTally& of(BadKind kind) const { return unusable[static_cast<std::size_t>(kind)]; }
  /// The number of captions, images or samples that were checked for it.
  std::int64_t total_of(Suspicion suspicion) const;
};

/// Opens tables or shards as training reads them, or folders of images with captions beside them. Throws UserError.
std::shared_ptr<const Source> open_to_inspect(const DataConfig& config, const std::vector<std::string>& names,
                                              const IndexProgress& progress = {});

/// Called with the number of inspected samples and the total. Calls come from any thread, one at a time.
using InspectProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Reads and decodes samples, in runs of consecutive ones, and gathers statistics.
///
/// The result does not depend on the number of threads. Takes about 40 bytes of memory per inspected sample
/// (hashes, to find duplicates among these samples) and next to nothing else.
DataInspection inspect_source(const Source& source, const InspectOptions& options,
                              const InspectProgress& progress = {});

/// A sample for visual inspection.
struct SampleView {
  std::string place;
  std::string caption;  ///< the first one, as one line
  std::string jpeg;     ///< the image as a JPEG file, its longer side at most `side`
};

/// Reads and shrinks samples; unusable ones are left out.
std::vector<SampleView> view_samples(const Source& source, std::span<const std::int64_t> indices, int side);

}  // namespace cloob

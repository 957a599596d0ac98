#include "prepare/inspect_sample.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "cloob/base/text.h"
#include "cloob/base/utf8.h"
#include "cloob/data/captions.h"
#include "cloob/data/image_files.h"
#include "cloob/image/decode.h"
#include "cloob/text/clean.h"
#include "prepare/inspect_caption.h"
#include "prepare/inspect_image.h"

namespace cloob {
namespace {

constexpr std::size_t kMaxDetailLength = 200;
constexpr std::size_t kMaxCaptionLength = 80;
constexpr double kExtremeRatio = 3;

std::uint64_t hash_of(std::string_view bytes) {
  static_assert(sizeof(std::size_t) == sizeof(std::uint64_t));
  return std::max<std::uint64_t>(1, std::hash<std::string_view>()(bytes));
}

template <class MakeDetail>
void count_in(InspectionTally& tally, std::int64_t index, const MakeDetail& detail) {
  ++tally.count;
  if (tally.examples.size() < InspectionTally::kMaxExamples)
    tally.examples.push_back({.index = index, .place = {}, .detail = one_line(detail(), kMaxDetailLength)});
}

void merge_tally(InspectionTally& total, const InspectionTally& part) {
  total.count += part.count;
  total.examples.insert(total.examples.end(), part.examples.begin(), part.examples.end());
  std::ranges::stable_sort(total.examples, {}, &InspectionExample::index);
  if (total.examples.size() > InspectionTally::kMaxExamples)
    total.examples.resize(InspectionTally::kMaxExamples);
}

// The bars in pixels of the full image.
std::string describe_bars(const Bars& bars, ImageSize full, ImageSize reduced) {
  const int side = bars.vertical ? full.width : full.height;
  const double scale = static_cast<double>(side) / (bars.vertical ? reduced.width : reduced.height);
  return fmt::format("{:.0f} and {:.0f} of {} pixels, {}", bars.first * scale, bars.second * scale, side,
                     bars.vertical ? "left and right" : "top and bottom");
}

// Training draws one caption: a sample is certainly lost if none can be used.
void require_text(const std::vector<std::string>& captions) {
  const auto is_unusable = [](const std::string& caption) {
    return !is_valid_utf8(caption) || clean_caption(caption).empty();
  };
  if (!std::ranges::all_of(captions, is_unusable)) return;
  require_utf8(captions.front());
  throw_empty_after_cleaning(captions.front());
}

}  // namespace

std::uint64_t hash_of_caption(std::string_view caption) { return hash_of(analyze_caption(caption).cleaned); }

template <class MakeDetail>
void SampleInspector::suspect(Suspicion suspicion, std::int64_t index, const MakeDetail& detail) {
  count_in(counts_.suspicions[static_cast<std::size_t>(suspicion)], index, detail);
}

SampleHashes SampleInspector::inspect(std::int64_t index) {
  ++counts_.num_inspected;
  const auto count_bad = [&](BadKind kind, const char* what) {
    count_in(counts_.unusable[static_cast<std::size_t>(kind)], index, [&] { return std::string(what); });
    return SampleHashes();
  };
  RawSample sample;
  try {
    sample = source_.read(index);
    const ImageSize size = checked_image_size(sample.image_bytes, options_.max_image_pixels);
    require_text(sample.captions);
    ImageU8 reduced =
        decode_image_reduced(sample.image_bytes, reduction_for_analysis(size), std::move(memory_));
    ++counts_.num_usable;
    SampleHashes hashes;
    inspect_captions(index, sample, hashes);
    inspect_image(index, sample.image_bytes, size, reduced);
    hashes.key = hash_of(sample.key);
    hashes.image =
        hash_of({reinterpret_cast<const char*>(sample.image_bytes.data()), sample.image_bytes.size()});
    if (!is_valid_utf8(sample.key))
      suspect(Suspicion::invalid_key, index, [&] { return fmt::format("'{}'", sample.key); });
    memory_ = memory_for_next(std::move(reduced));
    return hashes;
  } catch (const BadSample& bad) {
    return count_bad(bad.kind(), bad.what());
  } catch (const DecodeError& error) {
    const BadSample bad = bad_image(error, sample.image_bytes);
    return count_bad(bad.kind(), bad.what());
  }
}

void SampleInspector::inspect_captions(std::int64_t index, const RawSample& sample, SampleHashes& hashes) {
  add(Measure::captions_per_sample, static_cast<double>(sample.captions.size()));
  for (const std::string& caption : sample.captions) inspect_caption(index, caption, hashes);
}

void SampleInspector::inspect_caption(std::int64_t index, const std::string& caption, SampleHashes& hashes) {
  const CaptionStats stats = analyze_caption(caption);
  ++counts_.num_captions;
  hashes.captions.push_back(hash_of(stats.cleaned));
  add(Measure::caption_characters, static_cast<double>(stats.characters));
  add(Measure::caption_words, static_cast<double>(stats.words));
  const auto quoted = [&] { return fmt::format("'{}'", one_line(caption, kMaxCaptionLength)); };
  if (stats.cleaned.empty()) {
    suspect(Suspicion::empty_caption, index, quoted);
  } else if (stats.letters < 3) {
    suspect(stats.letters == 0 ? Suspicion::no_letters : Suspicion::few_letters, index, quoted);
  }
  if (stats.has_address) suspect(Suspicion::address, index, quoted);
  if (trim(caption).find_first_of("\n\r") != std::string_view::npos)
    suspect(Suspicion::line_break, index, quoted);
  if (stats.is_encoded) suspect(Suspicion::percent_encoded, index, quoted);
  if (!stats.is_valid) suspect(Suspicion::invalid_caption, index, quoted);
  if (!options_.tokenizer) return;
  constexpr std::int64_t kUnlimited = 1 << 24;
  const auto tokens = static_cast<std::int64_t>(options_.tokenizer->encode(caption, kUnlimited).ids.size());
  add(Measure::caption_tokens, static_cast<double>(tokens));
  if (tokens > options_.context_length)
    suspect(Suspicion::cut_caption, index, [&] { return fmt::format("{} tokens: {}", tokens, quoted()); });
}

void SampleInspector::inspect_image(std::int64_t index, const std::vector<std::byte>& encoded, ImageSize size,
                                    const ImageU8& reduced) {
  const double width = size.width, height = size.height, ratio = width / height;
  const auto bytes = static_cast<std::int64_t>(encoded.size());
  counts_.image_bytes += bytes;
  ++counts_.formats[std::string(image_format_of(encoded))];
  add(Measure::image_width, width);
  add(Measure::image_height, height);
  add(Measure::image_megapixels, width * height / 1e6);
  add(Measure::aspect_ratio, ratio);
  add(Measure::image_kib, static_cast<double>(bytes) / 1024);

  const auto size_text = [&] { return fmt::format("{} x {}", size.width, size.height); };
  if (std::min(size.width, size.height) < options_.image_size)
    suspect(Suspicion::small_image, index, size_text);
  if (std::max(ratio, 1 / ratio) > kExtremeRatio) suspect(Suspicion::extreme_ratio, index, size_text);
  const ImageStats stats = analyze_image(reduced);
  if (stats.one_color) suspect(Suspicion::one_color, index, size_text);
  if (stats.gray) suspect(Suspicion::gray, index, size_text);
  for (const auto& [bars, suspicion] :
       {std::pair(stats.white, Suspicion::white_border), std::pair(stats.black, Suspicion::black_border)}) {
    if (!bars.exist()) continue;
    add(Measure::border_percent, 100 * bars.area_fraction(reduced.size()));
    suspect(suspicion, index, [&] { return describe_bars(bars, size, reduced.size()); });
  }
}

void merge_counts(DataInspection& total, const DataInspection& part) {
  total.num_inspected += part.num_inspected;
  total.num_usable += part.num_usable;
  total.num_captions += part.num_captions;
  total.image_bytes += part.image_bytes;
  for (const auto& [format, count] : part.formats) total.formats[format] += count;
  for (std::size_t i = 0; i < kNumMeasures; ++i) total.measures[i].merge(part.measures[i]);
  for (std::size_t i = 0; i < kNumBadKinds; ++i) merge_tally(total.unusable[i], part.unusable[i]);
  for (std::size_t i = 0; i < kNumSuspicions; ++i) merge_tally(total.suspicions[i], part.suspicions[i]);
}

}  // namespace cloob

#include "cli/inspection_words.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "cli/data_settings.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

struct SuspicionWords {
  std::string what;  // after "5 of 12 captions (41.7 %) "
  std::string advice;
};

SuspicionWords words_of_caption(Suspicion suspicion, const InspectOptions& options) {
  switch (suspicion) {
    case Suspicion::empty_caption:
      return {"are empty after cleaning", "drop these samples: all of them get the same text"};
    case Suspicion::no_letters:
      return {"have no letters, only digits or symbols", "drop them"};
    case Suspicion::few_letters:
      return {"have one or two letters", "drop them, unless they are words of your language"};
    case Suspicion::address:
      return {"contain a URL or the name of an image file", "remove it from the caption"};
    case Suspicion::cut_caption:
      return {fmt::format("are truncated, because they have more than {} tokens", options.context_length),
              "shorten them, or raise the context length of the model"};
    case Suspicion::repeated_caption:
      return {"repeat an earlier caption",
              "drop those that fit any image: within a batch they are false negatives of each other"};
    case Suspicion::line_break:
      return {"have several lines, which become one text",
              "if each line is a caption of its own, set data.webdataset.text to lines"};
    case Suspicion::percent_encoded:
      return {"look percent-encoded, such as 'a+dog%2C+asleep'",
              "set data.caption_encoding to percent, which decodes them as YFCC100M's metadata needs it"};
    default:
      return {"are not valid UTF-8",
              "convert the text to UTF-8; otherwise the invalid bytes become replacement characters"};
  }
}

SuspicionWords words_of_image(Suspicion suspicion, const InspectOptions& options) {
  switch (suspicion) {
    case Suspicion::white_border:
      return {
          "have white bars on two opposite sides",
          "img2dataset's default resize mode 'border' adds them: download with --resize_mode keep_ratio, or "
          "crop"};
    case Suspicion::black_border:
      return {"have black bars on two opposite sides",
              "crop them; video frames and padded images have such bars"};
    case Suspicion::one_color:
      return {"are a single colour", "drop them: they are placeholders of deleted images"};
    case Suspicion::gray:
      return {"have no colour", ""};
    case Suspicion::small_image:
      return {fmt::format("have a side below the training size of {} pixels", options.image_size),
              "enlarging blurs them: drop them, or train at a smaller size"};
    case Suspicion::extreme_ratio:
      return {"have one side more than three times the other",
              "drop them: a square crop shows little of them"};
    default:
      return {"are byte-for-byte copies of an earlier one with another name", "keep one of each"};
  }
}

SuspicionWords words_of_sample(Suspicion suspicion) {
  if (suspicion == Suspicion::invalid_key) return {"have a name that is not valid UTF-8", "rename them"};
  return {"have the name of an earlier one",
          "check for duplicates; data.csv.group_captions merges rows with the same path into one sample"};
}

std::string advice_on(BadKind kind) {
  switch (kind) {
    case BadKind::missing_file:
      return "set data.image_root to the folder that paths are relative to, or drop these rows";
    case BadKind::malformed_row:
      return "fix these rows, or set data.csv.separator and data.csv.quoting";
    case BadKind::broken_shard:
      return "download the shard again";
    case BadKind::no_image:
      return "set data.webdataset.image_members to the suffix of the images, or drop them";
    case BadKind::no_caption:
      return "set data.webdataset.json_caption_field or data.csv.caption_columns if captions are elsewhere; if they are in a "
             "table, name it in place of the images";
    case BadKind::caption_not_utf8:
      return "convert the captions to UTF-8, for example with iconv -f WINDOWS-1252 -t UTF-8";
    case BadKind::empty_after_cleaning:
      return "drop them: they would teach the model that some images have no text";
    case BadKind::too_large:
      return "shrink or re-encode the images, shorten the captions, or drop them";
    case BadKind::unsupported_format:
      return "convert them to JPEG or PNG, for example with ImageMagick: mogrify -format png FILES";
    case BadKind::not_an_image:
    case BadKind::damaged_image:
      return "download them again, or drop them";
    case BadKind::not_downloaded:
      return "download them again; 'git lfs pull' replaces Git LFS pointers by the files";
    case BadKind::unreadable:
      return "check whether the disk or the network fails";
  }
  return "";
}

std::string_view plural_of(SuspicionUnit unit) {
  switch (unit) {
    case SuspicionUnit::caption:
      return "captions";
    case SuspicionUnit::picture:
      return "images";
    case SuspicionUnit::sample:
      return "samples";
  }
  return "";
}

std::string headline(std::int64_t count, std::int64_t total, std::string_view unit, std::string_view what) {
  return fmt::format("{} of {} {} ({}) {}", with_thousands(count), with_thousands(total), unit,
                     percent_text(count, total), what);
}

void sort_by_count(std::vector<Finding>& findings) {
  std::ranges::stable_sort(
      findings, [](const Finding& a, const Finding& b) { return a.tally->count > b.tally->count; });
}

}  // namespace

std::string percent_text(std::int64_t count, std::int64_t total) {
  if (total == 0) return "-";
  const double percent = 100 * static_cast<double>(count) / static_cast<double>(total);
  return count == 0 || percent >= 0.1 ? fmt::format("{:.1f} %", percent) : fmt::format("{:.1g} %", percent);
}

std::string figure_text(double value) {
  if (value == std::round(value) || std::abs(value) >= 1000) return with_thousands(std::llround(value));
  return fmt::format("{:.3g}", value);
}

MeasureWords words_of(Measure measure) {
  switch (measure) {
    case Measure::captions_per_sample:
      return {"Captions per sample", "captions", "samples", HistogramScale::whole};
    case Measure::caption_characters:
      return {"Caption length in characters", "characters", "captions", HistogramScale::whole};
    case Measure::caption_words:
      return {"Caption length in words", "words", "captions", HistogramScale::whole};
    case Measure::caption_tokens:
      return {"Caption length in tokens", "tokens, including start and end", "captions",
              HistogramScale::whole};
    case Measure::image_width:
      return {"Image width", "pixels", "images", HistogramScale::whole};
    case Measure::image_height:
      return {"Image height", "pixels", "images", HistogramScale::whole};
    case Measure::image_megapixels:
      return {"Image size in megapixels", "megapixels", "images", HistogramScale::logarithmic};
    case Measure::aspect_ratio:
      return {"Aspect ratio, width / height", "width / height", "images", HistogramScale::logarithmic};
    case Measure::image_kib:
      return {"Image file in KiB", "KiB", "images", HistogramScale::logarithmic};
    case Measure::border_percent:
      return {"Bars, % of an image that has them", "% of the image", "images with bars",
              HistogramScale::linear};
  }
  return {};
}

std::vector<Finding> unusable_findings(const InspectionReport& report) {
  std::vector<Finding> findings;
  for (std::size_t kind = 0; kind < kNumBadKinds; ++kind) {
    const InspectionTally& tally = report.found.unusable[kind];
    if (tally.count == 0) continue;
    const auto bad_kind = static_cast<BadKind>(kind);
    const auto what = fmt::format("are unusable: {}", bad_kind_name(bad_kind));
    findings.push_back(
        {&tally, headline(tally.count, report.found.num_inspected, "samples", what), advice_on(bad_kind)});
  }
  sort_by_count(findings);
  return findings;
}

std::vector<Finding> suspicious_findings(const InspectionReport& report) {
  std::vector<Finding> findings;
  for (const auto& [name, suspicion] : EnumNames<Suspicion>::names) {
    const InspectionTally& tally = report.found.of(suspicion);
    if (tally.count == 0) continue;
    const SuspicionUnit unit = unit_of(suspicion);
    const SuspicionWords words = unit == SuspicionUnit::caption ? words_of_caption(suspicion, report.options)
                                 : unit == SuspicionUnit::picture ? words_of_image(suspicion, report.options)
                                                                  : words_of_sample(suspicion);
    findings.push_back({&tally,
                        headline(tally.count, report.found.total_of(suspicion), plural_of(unit), words.what),
                        words.advice});
  }
  sort_by_count(findings);
  return findings;
}

std::string example_text(const InspectionExample& example) {
  return example.detail.empty() ? example.place : fmt::format("{}: {}", example.place, example.detail);
}

std::string stop_text(const InspectionReport& report) {
  const std::int64_t bad = report.found.num_inspected - report.found.num_usable;
  if (static_cast<double>(bad) <= report.max_bad_share * static_cast<double>(report.found.num_inspected))
    return "";
  return fmt::format("Training would stop: {} of the samples are unusable, data.max_bad_share is {}.",
                     percent_text(bad, report.found.num_inspected), shortest(report.max_bad_share));
}

std::string unused_text(const InspectionReport& report) {
  return report.unused_captions == 0 ? "" : "Captions: " + advice_on_unused(report.unused_captions) + ".";
}

std::string coverage_text(const InspectionReport& report) {
  const DataInspection& found = report.found;
  if (found.num_inspected == found.num_samples) return "All samples were inspected.";
  return fmt::format(
      "{} of {} samples, evenly spread, were inspected, and repetitions were sought only among these; "
      "--limit 0 inspects all.",
      with_thousands(found.num_inspected), with_thousands(found.num_samples));
}

}  // namespace cloob

#include "cloob/prepare/inspect.h"

#include <ATen/ceil_div.h>
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <system_error>
#include <tuple>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/data/sample_reader.h"
#include "cloob/image/decode.h"
#include "cloob/image/encode.h"
#include "cloob/image/resize.h"
#include "prepare/inspect_caption.h"
#include "prepare/inspect_sample.h"
#include "prepare/pack_source.h"
#include "prepare/repeated_hashes.h"

namespace cloob {
namespace {

constexpr std::size_t kMaxTextLength = 200;
constexpr std::size_t kMaxCaptionLength = 80;
constexpr std::size_t kMaxViewCaptionLength = 120;

// Selects the samples to inspect: runs of consecutive samples, which are read sequentially, with equal gaps.
class Selection {
 public:
  Selection(std::int64_t size, std::int64_t limit)
      : count_(limit == 0 ? size : std::min(size, limit)), skipped_(size - count_) {
    constexpr std::int64_t kMaxRun = 64, kMinRuns = 64;
    run_ = std::clamp<std::int64_t>(count_ / kMinRuns, 1, kMaxRun);
  }

  std::int64_t count() const { return count_; }
  std::int64_t num_runs() const { return at::ceil_div(count_, run_); }
  /// The places of a run are [run_begin(run), run_begin(run + 1)).
  std::int64_t run_begin(std::int64_t run) const { return std::min(run * run_, count_); }
  std::int64_t run_of(std::int64_t place) const { return place / run_; }
  std::int64_t index(std::int64_t place) const {
    const std::int64_t num_gaps = std::max<std::int64_t>(1, num_runs() - 1);
    // In floating point, because the product may overflow an integer.
    return place +
           static_cast<std::int64_t>(static_cast<double>(skipped_) *
                                     (static_cast<double>(run_of(place)) / static_cast<double>(num_gaps)));
  }

 private:
  std::int64_t count_;
  std::int64_t skipped_;  // samples that are left out
  std::int64_t run_;
};

/// Implements `inspect_source`.
class Inspection {
 public:
  Inspection(const Source& source, const InspectOptions& options)
      : source_(source),
        options_(options),
        selection_(source.size(), options.limit),
        keys_(static_cast<std::size_t>(selection_.count())),
        images_(keys_.size()),
        captions_(static_cast<std::size_t>(selection_.num_runs())) {}

  DataInspection run(const InspectProgress& progress) {
    result_.num_samples = source_.size();
    result_.num_files = static_cast<std::int64_t>(source_.parts().size());
    for (const auto& [kind, count] : source_.member_kinds())
      result_.member_kinds[one_line(kind, kMaxTextLength)] += count;
    parallel_for(selection_.num_runs(), reading_threads(source_, options_.threads),
                 [&](std::int64_t run) { inspect_run(run, progress); });
    find_repeated_samples(Suspicion::repeated_key, keys_);
    find_repeated_samples(Suspicion::repeated_picture, image_hashes_of_distinct_files());
    find_repeated_captions();
    choose_spread();
    describe_examples();
    return std::move(result_);
  }

 private:
  void inspect_run(std::int64_t run, const InspectProgress& progress) {
    SampleInspector inspector(source_, options_);
    std::vector<std::uint64_t>& captions = captions_[static_cast<std::size_t>(run)];
    for (std::int64_t place = selection_.run_begin(run); place < selection_.run_begin(run + 1); ++place) {
      const SampleHashes hashes = inspector.inspect(selection_.index(place));
      keys_[static_cast<std::size_t>(place)] = hashes.key;
      images_[static_cast<std::size_t>(place)] = hashes.image;
      captions.insert(captions.end(), hashes.captions.begin(), hashes.captions.end());
    }
    const std::lock_guard lock(mutex_);
    merge_counts(result_, inspector.counts());
    if (progress) progress(result_.num_inspected, selection_.count());
  }

  InspectionTally& tally(Suspicion suspicion) {
    return result_.suspicions[static_cast<std::size_t>(suspicion)];
  }

  void find_repeated_samples(Suspicion suspicion, const std::vector<std::uint64_t>& hashes) {
    const RepeatedHashes repeated = find_repeated(hashes, InspectionTally::kMaxExamples);
    tally(suspicion).count = repeated.num_repeats;
    for (const auto& [hash, count] : repeated.most_frequent) {
      const auto first = std::ranges::find(hashes, hash);
      const auto second = std::find(first + 1, hashes.end(), hash);
      const std::int64_t index = selection_.index(second - hashes.begin());
      tally(suspicion).examples.push_back(
          {.index = index,
           .place = {},
           .detail = one_line(
               fmt::format("as in {}{}", source_.describe(selection_.index(first - hashes.begin())),
                           count > 2 ? fmt::format(", {} times in total", with_thousands(count)) : ""),
               kMaxTextLength)});
    }
  }

  // Image hashes by place, zero where both name and image have occurred before: table rows that name the same
  // file are not duplicates of it.
  std::vector<std::uint64_t> image_hashes_of_distinct_files() const {
    std::vector<std::size_t> places(images_.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    std::ranges::sort(places, {}, [&](std::size_t i) { return std::tuple(keys_[i], images_[i], i); });
    std::vector<std::uint64_t> hashes = images_;
    for (std::size_t i = 1; i < places.size(); ++i) {
      const std::size_t before = places[i - 1], here = places[i];
      if (keys_[before] == keys_[here] && images_[before] == images_[here]) hashes[here] = 0;
    }
    return hashes;
  }

  void find_repeated_captions() {
    constexpr std::size_t kMax = 10;
    std::vector<std::uint64_t> all;
    for (const auto& of_run : captions_) all.insert(all.end(), of_run.begin(), of_run.end());
    const RepeatedHashes repeated = find_repeated(std::move(all), kMax);
    InspectionTally& repetitions = tally(Suspicion::repeated_caption);
    repetitions.count = repeated.num_repeats;
    for (const auto& [hash, count] : repeated.most_frequent) {
      const auto [index, caption] = find_caption(hash);
      result_.frequent_captions.push_back({one_line(caption, kMaxCaptionLength), count});
      if (repetitions.examples.size() == InspectionTally::kMaxExamples) continue;
      repetitions.examples.push_back(
          {index,
           {},
           fmt::format("{} times '{}'", with_thousands(count), one_line(caption, kMaxCaptionLength))});
    }
  }

  // The sample of the first caption with this hash, and the caption; reads samples again.
  std::pair<std::int64_t, std::string> find_caption(std::uint64_t hash) const {
    const auto run =
        std::ranges::find_if(
            captions_, [&](const auto& of_run) { return std::ranges::find(of_run, hash) != of_run.end(); }) -
        captions_.begin();
    const std::int64_t begin = selection_.run_begin(run);
    for (std::int64_t place = begin; place < selection_.run_begin(run + 1); ++place) {
      if (images_[static_cast<std::size_t>(place)] == 0) continue;
      for (const std::string& caption : captions_of(selection_.index(place))) {
        if (hash_of_caption(caption) == hash) return {selection_.index(place), caption};
      }
    }
    return {selection_.index(begin), "(the data has changed since)"};
  }

  std::vector<std::string> captions_of(std::int64_t index) const {
    try {
      return source_.read_captions(index);
    } catch (const BadSample&) {  // the sample has vanished since
      return {};
    }
  }

  void choose_spread() {
    constexpr std::int64_t kMax = 24;
    std::int64_t next = 0;
    for (std::int64_t view = 0; view < kMax; ++view) {
      next = std::max(next, view * selection_.count() / kMax);
      while (next < selection_.count() && images_[static_cast<std::size_t>(next)] == 0) ++next;
      if (next == selection_.count()) return;
      result_.spread.push_back(selection_.index(next++));
    }
  }

  void describe_examples() {
    const auto name = [&](InspectionTally& tally) {
      for (InspectionExample& example : tally.examples)
        example.place = one_line(source_.describe(example.index), kMaxTextLength);
    };
    std::ranges::for_each(result_.unusable, name);
    std::ranges::for_each(result_.suspicions, name);
  }

  const Source& source_;
  const InspectOptions& options_;
  Selection selection_;
  std::vector<std::uint64_t> keys_;                   // by place
  std::vector<std::uint64_t> images_;                 // by place
  std::vector<std::vector<std::uint64_t>> captions_;  // by run, in the order of its samples
  std::mutex mutex_;                                  // guards `result_`
  DataInspection result_;
};

}  // namespace

SuspicionUnit unit_of(Suspicion suspicion) {
  switch (suspicion) {
    case Suspicion::empty_caption:
    case Suspicion::no_letters:
    case Suspicion::few_letters:
    case Suspicion::address:
    case Suspicion::cut_caption:
    case Suspicion::repeated_caption:
    case Suspicion::invalid_caption:
    case Suspicion::line_break:
    case Suspicion::percent_encoded:
      return SuspicionUnit::caption;
    case Suspicion::repeated_key:
    case Suspicion::invalid_key:
      return SuspicionUnit::sample;
    default:
      return SuspicionUnit::picture;
  }
}

std::int64_t DataInspection::total_of(Suspicion suspicion) const {
  return unit_of(suspicion) == SuspicionUnit::caption ? num_captions : num_usable;
}

std::shared_ptr<const Source> open_to_inspect(const DataConfig& config, const std::vector<std::string>& names,
                                              const IndexProgress& progress) {
  std::error_code ignored;
  const bool is_folder = !names.empty() && std::filesystem::is_directory(names.front(), ignored);
  return is_folder ? open_pack_source(config, names).source
                   : make_source(config, names, Purpose::training, progress);
}

DataInspection inspect_source(const Source& source, const InspectOptions& options,
                              const InspectProgress& progress) {
  CLOOB_CHECK(options.limit >= 0 && options.image_size >= 1, "limit {}, image size {}", options.limit,
              options.image_size);
  return Inspection(source, options).run(progress);
}

std::vector<SampleView> view_samples(const Source& source, std::span<const std::int64_t> indices, int side) {
  constexpr int kQuality = 85;
  std::vector<SampleView> views;
  for (const std::int64_t index : indices) {
    try {
      const RawSample sample = source.read(index);
      const ImageU8 image = decode_image(sample.image_bytes);
      const double scale = std::min(1.0, static_cast<double>(side) / std::max(image.height, image.width));
      const auto scaled = [&](int length) { return std::max(1, static_cast<int>(scale * length)); };
      const ImageSize size = {scaled(image.height), scaled(image.width)};
      views.push_back(
          {.place = one_line(source.describe(index), kMaxTextLength),
           .caption = sample.captions.empty() ? "" : one_line(sample.captions.front(), kMaxViewCaptionLength),
           .jpeg = encode_jpeg(resize(image, resize_whole(image.size(), size, ResampleFilter::bicubic)),
                               kQuality)});
    } catch (const BadSample&) {  // already counted by the inspection
    } catch (const DecodeError&) {
    }
  }
  return views;
}

}  // namespace cloob

#include "cloob/data/order/sample_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/random.h"
#include "cloob/data/order/permutation.h"

namespace cloob {
namespace {

constexpr auto kUse = static_cast<std::uint64_t>(RandomUse::sample_order);

// What a permutation of an epoch permutes.
enum class Permuted : std::uint64_t { parts = 1, window, subset };

Permutation permutation_of(std::uint64_t seed, std::int64_t epoch, Permuted what, std::int64_t number,
                           std::int64_t size) {
  const std::uint64_t key = mix_bits({kUse, seed, static_cast<std::uint64_t>(epoch),
                                      static_cast<std::uint64_t>(what), static_cast<std::uint64_t>(number)});
  return {key, size};
}

/// One appearance of a part in an epoch.
struct Appearance {
  std::size_t part;
  std::int64_t size;  ///< less than the size of the part if only a random subset appears
  std::int64_t copy;
};

std::vector<Appearance> appearances_of(const std::vector<SourcePart>& parts) {
  std::vector<Appearance> appearances;
  double carried = 0;  // fractions of samples left over by rounding so far
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const auto [size, weight] = parts[part];
    const auto full_copies = static_cast<std::int64_t>(weight);
    for (std::int64_t copy = 0; copy < full_copies; ++copy) appearances.push_back({part, size, copy});
    carried += (weight - static_cast<double>(full_copies)) * static_cast<double>(size);
    const auto subset = std::min(size, static_cast<std::int64_t>(carried + 1e-9));
    carried -= static_cast<double>(subset);
    if (subset > 0) appearances.push_back({part, subset, full_copies});
  }
  return appearances;
}

// 0, then the sums of the first 1, 2, ... sizes.
template <class Range, class Size>
std::vector<std::int64_t> prefix_sums(const Range& range, Size size) {
  std::vector<std::int64_t> begins = {0};
  for (const auto& element : range) begins.push_back(begins.back() + size(element));
  return begins;
}

std::vector<std::int64_t> sizes_of(const std::vector<Appearance>& appearances) {
  std::vector<std::int64_t> sizes;
  for (const Appearance& appearance : appearances) sizes.push_back(appearance.size);
  return sizes;
}

using Parts = std::shared_ptr<const std::vector<SourcePart>>;

class WithoutReplacement final : public EpochOrder {
 public:
  WithoutReplacement(const Parts& parts, const SampleOrderOptions& options, std::int64_t epoch)
      : parts_(parts),
        seed_(options.seed),
        epoch_(epoch),
        is_shuffled_(options.shuffle != Shuffle::none),
        index_begins_(prefix_sums(*parts, [](const SourcePart& part) { return part.size; })),
        appearances_(appearances_of(*parts)) {
    const auto count = static_cast<std::int64_t>(appearances_.size());
    const bool is_windowed = options.shuffle == Shuffle::windows;
    const bool by_samples = is_windowed && options.window_samples > 0;
    const std::int64_t window = is_windowed ? options.window_parts : count;
    if (by_samples || window < count) shuffle_parts();
    divide_over(options.ranks);
    place_begins_ = prefix_sums(appearances_, [](const Appearance& appearance) { return appearance.size; });
    if (by_samples) {
      for (std::size_t rank = 0; rank + 1 < rank_begins_.size(); ++rank) {
        const std::int64_t end = rank_begins_[rank + 1];
        for (std::int64_t begin = rank_begins_[rank]; begin < end; begin += options.window_samples)
          window_begins_.push_back(begin);
      }
    } else {
      for (std::int64_t first = 0; first < count; first += window) {
        window_begins_.push_back(place_begins_[static_cast<std::size_t>(first)]);
      }
    }
    window_begins_.push_back(place_begins_.back());
  }

  OrderedSample at(std::int64_t place) const override {
    const std::int64_t unshuffled = read_order(place);
    const std::size_t number = find_begin(place_begins_, unshuffled);
    const Appearance& appearance = appearances_[number];
    std::int64_t offset = unshuffled - place_begins_[number];
    const std::int64_t part_size = (*parts_)[appearance.part].size;
    if (appearance.size < part_size) {
      const auto subset = static_cast<std::int64_t>(appearance.part);
      offset = permutation_of(seed_, epoch_, Permuted::subset, subset, part_size)(offset);
    }
    return {index_begins_[appearance.part] + offset, appearance.copy};
  }

  std::int64_t read_order(std::int64_t place) const override {
    const std::int64_t sample = rank_by_rank(place);
    if (!is_shuffled_) return sample;
    const std::size_t window = find_begin(window_begins_, sample);
    const std::int64_t begin = window_begins_[window], size = window_begins_[window + 1] - begin;
    const auto number = static_cast<std::int64_t>(window);
    return begin + permutation_of(seed_, epoch_, Permuted::window, number, size)(sample - begin);
  }

 private:
  void shuffle_parts() {
    const auto count = static_cast<std::int64_t>(appearances_.size());
    const Permutation permutation = permutation_of(seed_, epoch_, Permuted::parts, 0, count);
    std::vector<Appearance> shuffled;
    for (std::int64_t place = 0; place < count; ++place) {
      shuffled.push_back(appearances_[static_cast<std::size_t>(permutation(place))]);
    }
    appearances_ = std::move(shuffled);
  }

  // Sorts the appearances by the rank that reads them.
  void divide_over(std::int64_t ranks) {
    const std::vector<std::size_t> rank_of = assign_parts(sizes_of(appearances_), ranks);
    std::vector<std::vector<Appearance>> of_rank(static_cast<std::size_t>(ranks));
    for (std::size_t i = 0; i < appearances_.size(); ++i) of_rank[rank_of[i]].push_back(appearances_[i]);
    appearances_.clear();
    for (const std::vector<Appearance>& own : of_rank) {
      appearances_.insert(appearances_.end(), own.begin(), own.end());
      std::int64_t samples = 0;
      for (const Appearance& appearance : own) samples += appearance.size;
      rank_begins_.push_back(rank_begins_.back() + samples);
    }
  }

  // The number of the sample at a place if all samples of a rank come before those of the next one.
  std::int64_t rank_by_rank(std::int64_t place) const {
    const auto ranks = std::ssize(rank_begins_) - 1;
    const auto rank = static_cast<std::size_t>(place % ranks);
    const std::int64_t sample = rank_begins_[rank] + place / ranks;
    CLOOB_CHECK(place >= 0 && sample < rank_begins_[rank + 1], "place {} of {} ranks has no sample", place,
                ranks);
    return sample;
  }

  Parts parts_;
  std::uint64_t seed_;
  std::int64_t epoch_;
  bool is_shuffled_;
  std::vector<std::int64_t> index_begins_;       // of the parts, in the source
  std::vector<Appearance> appearances_;          // in the order of this epoch, those of each rank together
  std::vector<std::int64_t> rank_begins_ = {0};  // of the ranks' samples
  std::vector<std::int64_t> place_begins_;       // of the appearances, before shuffling within windows
  std::vector<std::int64_t> window_begins_;
};

class WithReplacement final : public EpochOrder {
 public:
  WithReplacement(const Parts& parts, std::uint64_t seed, std::int64_t epoch)
      : parts_(parts),
        seed_(seed),
        epoch_(epoch),
        index_begins_(prefix_sums(*parts, [](const SourcePart& part) { return part.size; })) {
    for (const SourcePart& part : *parts) {
      mass_.push_back((mass_.empty() ? 0 : mass_.back()) + part.weight * static_cast<double>(part.size));
    }
  }

  OrderedSample at(std::int64_t place) const override {
    RandomStream stream(RandomUse::sample_order,
                        {seed_, static_cast<std::uint64_t>(epoch_), static_cast<std::uint64_t>(place)});
    const double drawn = stream.uniform() * mass_.back();
    const auto found = std::upper_bound(mass_.begin(), mass_.end() - 1, drawn) - mass_.begin();
    const auto part = static_cast<std::size_t>(found);
    const auto offset = stream.below(static_cast<std::uint64_t>((*parts_)[part].size));
    return {index_begins_[part] + static_cast<std::int64_t>(offset), place};
  }

 private:
  Parts parts_;
  std::uint64_t seed_;
  std::int64_t epoch_;
  std::vector<std::int64_t> index_begins_;
  std::vector<double> mass_;  // cumulative
};

/// Evenly spaced samples, so that all parts of the source are represented.
class Spread final : public EpochOrder {
 public:
  Spread(const Parts& parts, std::int64_t places) : places_(places) {
    for (const SourcePart& part : *parts) size_ += part.size;
  }

  OrderedSample at(std::int64_t place) const override {
    CLOOB_CHECK(place >= 0 && place < places_, "place {} of {}", place, places_);
    // place * size / places, without a product that overflows.
    const std::int64_t step = size_ / places_, rest = size_ % places_;
    return {place * step + place * rest / places_, 0};
  }

 private:
  std::int64_t places_;
  std::int64_t size_ = 0;
};

class Slice final : public EpochOrder {
 public:
  Slice(std::shared_ptr<const EpochOrder> all, std::int64_t first) : all_(std::move(all)), first_(first) {}

  OrderedSample at(std::int64_t place) const override { return all_->at(first_ + place); }
  std::int64_t read_order(std::int64_t place) const override { return all_->read_order(first_ + place); }

 private:
  std::shared_ptr<const EpochOrder> all_;
  std::int64_t first_;
};

/// Consecutive places of the epochs of another order.
class Episode final : public EpochOrder {
 public:
  Episode(const SampleOrder& passes, std::int64_t episode, std::int64_t size)
      : pass_size_(passes.size()), first_(episode * size), first_pass_(first_ / pass_size_) {
    const std::int64_t last_pass = (first_ + size - 1) / pass_size_;
    for (std::int64_t pass = first_pass_; pass <= last_pass; ++pass) passes_.push_back(passes.of_epoch(pass));
  }

  OrderedSample at(std::int64_t place) const override {
    const auto [pass, place_in_pass] = find(place);
    OrderedSample sample = passes_[pass]->at(place_in_pass);
    sample.copy += static_cast<std::int64_t>(pass) << 32;  // another pass shows the sample again
    return sample;
  }
  std::int64_t read_order(std::int64_t place) const override {
    const auto [pass, place_in_pass] = find(place);
    return static_cast<std::int64_t>(pass) * pass_size_ + passes_[pass]->read_order(place_in_pass);
  }

 private:
  std::pair<std::size_t, std::int64_t> find(std::int64_t place) const {
    const std::int64_t position = first_ + place - first_pass_ * pass_size_;
    return {static_cast<std::size_t>(position / pass_size_), position % pass_size_};
  }

  std::int64_t pass_size_;
  std::int64_t first_;  // of its places, counted from the first pass
  std::int64_t first_pass_;
  std::vector<std::shared_ptr<const EpochOrder>> passes_;
};

}  // namespace

SampleOrder::SampleOrder(std::vector<SourcePart> parts, const SampleOrderOptions& options)
    : parts_(std::make_shared<const std::vector<SourcePart>>(std::move(parts))),
      options_(options),
      shares_(sizes_of(appearances_of(*parts_)), options.ranks),
      size_(shares_.num_places()),
      pass_size_(size_) {
  CLOOB_CHECK(options.window_parts >= 1, "windows of {} parts", options.window_parts);
  CLOOB_CHECK(!options.with_replacement || options.shuffle != Shuffle::none, "replacement without a shuffle");
  for (const SourcePart& part : *parts_) {
    CLOOB_CHECK(part.size >= 0 && part.weight >= 0, "{} samples of weight {}", part.size, part.weight);
  }
  CLOOB_CHECK(options.max_samples == 0 || options.shuffle == Shuffle::none, "{} samples of a shuffled source",
              options.max_samples);
  const bool is_divisible = options.max_samples == 0 && !options.with_replacement &&
                            (options.shuffle == Shuffle::none || options.window_samples > 0);
  CLOOB_CHECK(options.ranks == 1 || is_divisible, "this order cannot be divided over {} ranks",
              options.ranks);
  if (options.max_samples == 0 || options.max_samples >= size_) {
    options_.max_samples = 0;
  } else {
    size_ = options.max_samples;
  }
  pass_size_ = size_;
}

std::int64_t SampleOrder::num_samples() const { return options_.ranks == 1 ? size_ : shares_.num_samples(); }

RankShares SampleOrder::shares_of(std::int64_t ranks) const {
  if (are_episodes_) return shares_;
  return {sizes_of(appearances_of(*parts_)), ranks};
}

SampleOrder SampleOrder::slice(std::int64_t first, std::int64_t count) const {
  CLOOB_CHECK(first >= 0 && count >= 0 && first + count <= size_ && options_.ranks == 1 && !are_episodes_,
              "{} places from {} of {}", count, first, size_);
  SampleOrder result = *this;
  result.first_ += first;
  result.size_ = result.pass_size_ = count;
  return result;
}

SampleOrder SampleOrder::episodes(std::int64_t samples) const {
  CLOOB_CHECK(samples >= 1 && size_ >= 1 && options_.ranks == 1 && first_ == 0 && !are_episodes_,
              "episodes of {} of {} samples", samples, size_);
  SampleOrder result = *this;
  result.size_ = samples;
  result.shares_ = RankShares({samples}, /*ranks=*/1);
  result.are_episodes_ = true;
  return result;
}

std::shared_ptr<const EpochOrder> SampleOrder::of_epoch(std::int64_t epoch) const {
  // Places drawn with replacement do not depend on each other, so that any number of them is an epoch.
  if (are_episodes_ && !options_.with_replacement) {
    SampleOrder passes = *this;
    passes.size_ = pass_size_;
    passes.are_episodes_ = false;
    return std::make_shared<Episode>(passes, epoch, size_);
  }
  std::shared_ptr<const EpochOrder> order;
  if (options_.max_samples > 0) {
    order = std::make_shared<Spread>(parts_, options_.max_samples);
  } else if (options_.with_replacement) {
    order = std::make_shared<WithReplacement>(parts_, options_.seed, epoch);
  } else {
    order = std::make_shared<WithoutReplacement>(parts_, options_, epoch);
  }
  return first_ == 0 ? order : std::make_shared<Slice>(std::move(order), first_);
}

}  // namespace cloob

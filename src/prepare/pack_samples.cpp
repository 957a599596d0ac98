#include "prepare/pack_samples.h"

#include <ATen/ceil_div.h>
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/parallel.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/data/order/permutation.h"
#include "cloob/data/order/sample_order.h"
#include "cloob/data/sample_reader.h"
#include "cloob/data/tar/shard_index.h"
#include "cloob/data/tar/tar_writer.h"
#include "prepare/in_order.h"
#include "prepare/pack_folder.h"
#include "prepare/pack_image.h"
#include "prepare/pack_source.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Assigns the samples of the source to places in shards.
class PackPlan {
 public:
  PackPlan(std::int64_t num_samples, const PackOptions& options)
      : num_samples_(num_samples), num_shards_(at::ceil_div(num_samples, options.samples_per_shard)) {
    if (!options.shuffle_seed) return;
    RandomStream stream(RandomUse::sample_order, {*options.shuffle_seed});
    permutation_.emplace(stream.next(), num_samples);
  }

  std::int64_t num_shards() const { return num_shards_; }
  // The first place of a shard; for num_shards(), the number of places.
  std::int64_t begin(std::int64_t shard) const {
    const std::int64_t smaller = num_samples_ / num_shards_;
    return shard * smaller + std::min(shard, num_samples_ % num_shards_);
  }
  std::int64_t size(std::int64_t shard) const { return begin(shard + 1) - begin(shard); }
  std::int64_t sample_at(std::int64_t place) const { return permutation_ ? (*permutation_)(place) : place; }

 private:
  std::int64_t num_samples_;
  std::int64_t num_shards_;
  std::optional<Permutation> permutation_;
};

Json describe_plan(const Json& origin, const PackPlan& plan, std::int64_t num_samples,
                   const PackOptions& options) {
  return {{"format", 1},
          {"samples", num_samples},
          {"shards", plan.num_shards()},
          {"resize", options.resize ? Json(*options.resize) : Json()},
          {"quality", options.quality},
          {"shuffle", options.shuffle_seed ? Json(*options.shuffle_seed) : Json()},
          {"source", origin}};
}

bool too_many_bad(std::int64_t num_bad, std::int64_t num_samples, const DataConfig& config) {
  return static_cast<double>(num_bad) > config.max_bad_share * static_cast<double>(num_samples);
}

// A sample prepared by a thread, or what is wrong with it.
struct PreparedSample {
  std::string source_key;
  std::vector<std::string> captions;
  std::vector<double> caption_weights;
  PackedImage image;
  std::optional<BadSample> bad;
};

// In the form that `captions_in_json` reads.
Json captions_json(const PreparedSample& sample) {
  if (sample.caption_weights.empty()) return sample.captions;
  Json list = Json::array();
  for (std::size_t i = 0; i < sample.captions.size(); ++i) {
    list.push_back({{"caption", sample.captions[i]}, {"weight", sample.caption_weights[i]}});
  }
  return list;
}

class Packer {
 public:
  Packer(const Source& source, const PackPlan& plan, const PackFolder& folder, const DataConfig& config,
         const PackOptions& options, const PackHooks& hooks)
      : source_(source),
        plan_(plan),
        folder_(folder),
        config_(config),
        image_options_{options.resize, options.quality, config.max_image_pixels},
        hooks_(hooks) {
    find_remaining_shards();
  }

  PackResult run() {
    // Samples of all remaining shards are numbered consecutively, so that threads need not wait at the end of
    // a shard.
    const auto shard_of = [&](std::int64_t number) { return find_begin(first_number_, number); };
    const auto place_of = [&](std::int64_t number) {
      const std::size_t k = shard_of(number);
      return plan_.begin(remaining_[k]) + number - first_number_[k];
    };
    produce_in_order(
        first_number_.back(), reading_threads(source_, config_.threads),
        [&](std::int64_t number) { return prepare(plan_.sample_at(place_of(number))); },
        [&](std::int64_t number, PreparedSample sample) {
          const std::size_t k = shard_of(number);
          if (number == first_number_[k]) begin_shard(remaining_[k]);
          take(place_of(number), std::move(sample));
          if (number + 1 == first_number_[k + 1]) finish_shard(remaining_[k]);
          return !result_.stopped;
        });
    if (!result_.stopped) finish();
    return std::move(result_);
  }

 private:
  void find_remaining_shards() {
    result_.num_shards = plan_.num_shards();
    for (std::int64_t shard = 0; shard < plan_.num_shards(); ++shard) {
      if (const auto report = folder_.find_report(shard)) {
        ++result_.num_kept_shards;
        count(shard, *report);
        num_done_ += plan_.size(shard);
      } else {
        remaining_.push_back(shard);
        first_number_.push_back(first_number_.back() + plan_.size(shard));
      }
    }
    check_bad_share(result_.bad, source_.size(), config_);
  }

  PreparedSample prepare(std::int64_t index) const {
    PreparedSample sample;
    try {
      RawSample raw = source_.read(index);
      sample.source_key = std::move(raw.key);
      sample.captions = std::move(raw.captions);
      sample.caption_weights = std::move(raw.caption_weights);
      sample.image = pack_image(std::move(raw.image_bytes), image_options_);
    } catch (const BadSample& bad) {
      sample.bad = bad;
    }
    return sample;
  }

  void begin_shard(std::int64_t shard) {
    writer_ = std::make_unique<TarWriter>(folder_.shard_path(shard));
    report_ = {};
  }

  void take(std::int64_t place, PreparedSample sample) {
    ++report_.count;
    if (sample.bad) {
      skip(plan_.sample_at(place), *sample.bad);
    } else {
      ++report_.successes;
      result_.max_captions = std::max(result_.max_captions, std::ssize(sample.captions));
      write(fmt::format("{:09}", place), sample);
    }
    ++num_done_;
    if (hooks_.progress) hooks_.progress(num_done_, source_.size());
    if (hooks_.stop_requested && hooks_.stop_requested()) result_.stopped = true;
  }

  void write(const std::string& key, const PreparedSample& sample) {
    writer_->add(key + "." + sample.image.suffix, sample.image.bytes);
    writer_->add(key + ".txt", sample.captions.at(0));
    const Json json = {{"key", key}, {"source_key", sample.source_key}, {"captions", captions_json(sample)}};
    writer_->add(key + ".json", json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace));
  }

  void skip(std::int64_t index, const BadSample& bad) {
    const auto example = [&] { return fmt::format("{}: {}", source_.describe(index), bad.what()); };
    const bool is_first = result_.bad.count(bad.kind()) + report_.bad.count(bad.kind()) == 0;
    report_.bad.add(bad.kind(), example);
    if (is_first) {
      log_warning("data", "unusable sample ({}): {}", bad_kind_name(bad.kind()),
                  report_.bad.examples(bad.kind())[0]);
    }
    if (!too_many_bad(result_.bad.total() + report_.bad.total(), source_.size(), config_)) return;
    add_counts(result_.bad, report_.bad);
    check_bad_share(result_.bad, source_.size(), config_);
  }

  void finish_shard(std::int64_t shard) {
    writer_->finish();
    writer_.reset();
    folder_.write_report(shard, report_);
    count(shard, report_);
  }

  void count(std::int64_t shard, const ShardReport& report) {
    result_.num_samples += report.successes;
    sizes_[PackFolder::shard_name(shard)] = report.successes;
    add_counts(result_.bad, report.bad);
  }

  void finish() {
    if (result_.num_samples == 0) {
      throw_user_error("none of the {} samples is usable ({}): {}", with_thousands(source_.size()),
                       result_.bad.by_kind(), result_.bad.first_examples());
    }
    folder_.write_sizes(sizes_);
    std::vector<fs::path> shards;
    for (const auto& [name, size] : sizes_) shards.push_back(folder_.path() / name);
    update_index_files(shards, /*folder=*/{},
                       {.threads = resolve_threads(config_.threads), .folder = {}, .progress = {}});
  }

  const Source& source_;
  const PackPlan& plan_;
  const PackFolder& folder_;
  const DataConfig& config_;
  PackImageOptions image_options_;
  const PackHooks& hooks_;
  std::vector<std::int64_t> remaining_;           // shards still to be written
  std::vector<std::int64_t> first_number_ = {0};  // of each of them, then the total number of samples
  std::unique_ptr<TarWriter> writer_;             // of the current shard
  ShardReport report_;                            // on the current shard
  std::int64_t num_done_ = 0;
  std::map<std::string, std::int64_t> sizes_;
  PackResult result_;
};

}  // namespace

Json describe_origin(const DataConfig& config, std::uint64_t fingerprint) {
  Json origin = {{"fingerprint", fmt::format("{:016x}", fingerprint)}};
  for (const auto& [name, value] : setting_values(config)) {
    const bool affects_reading =
        name.starts_with("csv.") || name.starts_with("webdataset.") || name == "format" ||
        name == "image_root" || name == "max_image_pixels" ||
        (name == "caption_encoding" && config.caption_encoding != CaptionEncoding::plain);
    if (affects_reading) origin[name] = value;
  }
  return origin;
}

void check_bad_share(const BadSampleCounts& bad, std::int64_t num_samples, const DataConfig& config) {
  if (!too_many_bad(bad.total(), num_samples, config)) return;
  throw_user_error(
      "{} of {} samples are unusable so far, more than data.max_bad_share ({}) allows: fix or remove them, "
      "or raise --max-bad-share; {}: {}",
      with_thousands(bad.total()), with_thousands(num_samples), shortest(config.max_bad_share), bad.by_kind(),
      bad.first_examples());
}

PackResult pack_samples(const Source& source, const Json& origin, const DataConfig& config,
                        const fs::path& folder, const PackOptions& options, const PackHooks& hooks) {
  CLOOB_CHECK(options.samples_per_shard >= 1 && source.size() >= 1, "{} samples in shards of {}",
              source.size(), options.samples_per_shard);
  const PackPlan plan(source.size(), options);
  const PackFolder packed(folder, describe_plan(origin, plan, source.size(), options), options.resume);
  try {
    return Packer(source, plan, packed, config, options, hooks).run();
  } catch (const UserError&) {
    if (!options.resume) packed.remove_if_useless();
    throw;
  }
}

}  // namespace cloob

#include "cloob/prepare/split.h"

#include <ATen/ceil_div.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/parallel.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "cloob/data/sample_reader.h"
#include "cloob/data/source_names.h"
#include "prepare/pack_folder.h"
#include "prepare/pack_samples.h"
#include "prepare/pack_source.h"
#include "prepare/split_parts.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-9;  // rounding error of fractions that are meant to sum to 1

// Part names become names of files and folders.
bool is_part_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

SplitPart parse_part(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view name = trim(text.substr(0, equals));
  const std::string_view number = equals == std::string_view::npos ? "" : trim(text.substr(equals + 1));
  const double fraction = parse_double(number).value_or(0);
  if (!is_part_name(name) || !(fraction > 0 && fraction <= 1)) {
    throw_user_error(
        "'{}' is not a part: a part is a name (letters, digits, _ and -), '=' and its fraction of the "
        "samples, above 0 and at most 1, as in train=0.98,val=0.02",
        text);
  }
  return {std::string(name), fraction};
}

// Different spellings of the path of a file must give the same part.
std::string normalize_key(std::string_view key) {
  std::string path(key);
  constexpr std::string_view kMember = ".zip:";  // see ZipFiles
  if (const std::size_t found = path.find(kMember); found != std::string::npos) {
    path[found + kMember.size() - 1] = '/';
  }
  return fs::path(path).lexically_normal().string();
}

double total_fraction(const std::vector<SplitPart>& parts) {
  double sum = 0;
  for (const SplitPart& part : parts) sum += part.fraction;
  return sum;
}

// The parts of all samples of a source, found without reading images.
std::vector<std::size_t> parts_of_samples(const Source& source, const PartOfKey& part_of,
                                          std::int64_t threads) {
  constexpr std::int64_t kChunk = 1024;
  std::vector<std::size_t> parts(static_cast<std::size_t>(source.size()));
  parallel_for(at::ceil_div(source.size(), kChunk), threads, [&](std::int64_t chunk) {
    for (std::int64_t i = chunk * kChunk; i < std::min(source.size(), (chunk + 1) * kChunk); ++i) {
      std::string key;
      try {
        key = source.key(i);
      } catch (const BadSample&) {  // goes into any part, and is counted when that is packed
        key = source.describe(i);
      }
      parts[static_cast<std::size_t>(i)] = part_of(key);
    }
  });
  return parts;
}

nlohmann::ordered_json origin_of_part(nlohmann::ordered_json origin, const SplitOptions& options,
                                      std::size_t number) {
  for (const SplitPart& part : options.parts) origin["split"][part.name] = part.fraction;
  origin["split seed"] = options.seed;
  origin["part"] = options.parts[number].name;
  return origin;
}

// The folder of the parts, if the first of them failed.
class RemoveIfEmpty {
 public:
  explicit RemoveIfEmpty(fs::path folder) : folder_(std::move(folder)) {}
  ~RemoveIfEmpty() {
    std::error_code ignored;
    fs::remove(folder_, ignored);  // fails for folders with content
  }
  RemoveIfEmpty(const RemoveIfEmpty&) = delete;
  RemoveIfEmpty& operator=(const RemoveIfEmpty&) = delete;

 private:
  fs::path folder_;
};

void require_new_or_empty_folder(const fs::path& folder, const SplitOptions& options) {
  std::error_code error;
  if (options.packing.resume || !fs::exists(folder, error)) return;
  if (fs::is_directory(folder, error) && fs::is_empty(folder, error)) return;
  throw_user_error(
      "'{}' exists and is not an empty folder: name a new one, or add --resume to continue in it",
      folder.string());
}

SplitResult split_into_shards(const DataConfig& config, const std::vector<std::string>& names,
                              const fs::path& folder, const SplitOptions& options, const PackHooks& hooks) {
  require_new_or_empty_folder(folder, options);
  const PackSource opened = open_pack_source(config, names);
  const auto origin = describe_origin(config, opened.fingerprint);
  const auto part_of_sample = parts_of_samples(*opened.source, {options.parts, options.seed},
                                               reading_threads(*opened.source, config.threads));
  std::vector<std::vector<std::int64_t>> indices(options.parts.size() + 1);
  for (std::size_t i = 0; i < part_of_sample.size(); ++i) {
    indices[part_of_sample[i]].push_back(static_cast<std::int64_t>(i));
  }
  SplitResult result;
  for (std::size_t i = 0; i < options.parts.size(); ++i) {
    result.num_samples.emplace_back(options.parts[i].name, std::ssize(indices[i]));
  }
  result.num_in_no_part = std::ssize(indices.back());
  check_split(result);
  if (hooks.opened) hooks.opened();
  const RemoveIfEmpty remove_after_error(folder);
  std::int64_t num_done = 0;
  for (std::size_t i = 0; i < options.parts.size() && !result.stopped; ++i) {
    const SubsetSource part(opened.source, std::move(indices[i]));
    PackHooks part_hooks = hooks;
    if (hooks.progress) {
      part_hooks.progress = [&, before = num_done](std::int64_t done, std::int64_t) {
        hooks.progress(before + done, opened.source->size() - result.num_in_no_part);
      };
    }
    const PackResult packed = pack_samples(part, origin_of_part(origin, options, i), config,
                                           folder / options.parts[i].name, options.packing, part_hooks);
    num_done += part.size();
    result.num_samples[i].second = packed.num_samples;
    result.max_captions = std::max(result.max_captions, packed.max_captions);
    add_counts(result.bad, packed.bad);
    result.stopped = packed.stopped;
  }
  return result;
}

bool are_tables(const DataConfig& config, const std::vector<fs::path>& paths) {
  if (config.format != DataFormat::auto_) return config.format == DataFormat::csv;
  return std::ranges::all_of(
      paths, [](const fs::path& path) { return format_by_name(path.native()) == DataFormat::csv; });
}

// Options that apply only to shards must not be silently ignored.
void reject_shard_options(const PackOptions& packing) {
  const PackOptions defaults;
  std::vector<std::string> given;
  if (packing.samples_per_shard != defaults.samples_per_shard) given.emplace_back("samples per shard");
  if (packing.resize) given.emplace_back("resizing");
  if (packing.quality != defaults.quality) given.emplace_back("JPEG quality");
  if (packing.shuffle_seed) given.emplace_back("shuffling");
  if (packing.resume) given.emplace_back("resuming");
  if (given.empty()) return;
  throw_user_error(
      "a table is split into tables, where {} {} no effect: leave that out, or add --pack to write shards",
      join(given, " and "), given.size() == 1 ? "has" : "have");
}

}  // namespace

std::vector<SplitPart> parse_split_parts(std::string_view text) {
  std::vector<SplitPart> parts;
  for (const std::string& word : split(text, ',')) {
    SplitPart part = parse_part(word);
    if (std::ranges::count(parts, part.name, &SplitPart::name) > 0)
      throw_user_error("'{}' names the part '{}' twice", text, part.name);
    parts.push_back(std::move(part));
  }
  if (total_fraction(parts) > 1 + kTolerance) {
    throw_user_error("the fractions in '{}' sum to {}: at most 1 is allowed", text,
                     shortest(total_fraction(parts)));
  }
  return parts;
}

PartOfKey::PartOfKey(const std::vector<SplitPart>& parts, std::uint64_t seed) : seed_(seed) {
  double end = 0;
  for (const SplitPart& part : parts) ends_.push_back(end += part.fraction);
  if (std::abs(end - 1) <= kTolerance) ends_.back() = 1;
}

std::size_t PartOfKey::operator()(std::string_view key) const {
  constexpr int kUnusedBits = 11;  // a double holds 53
  const double place = static_cast<double>(hash_text(normalize_key(key), seed_) >> kUnusedBits) * 0x1p-53;
  return static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), place) - ends_.begin());
}

void check_split(const SplitResult& result) {
  for (const auto& [name, count] : result.num_samples) {
    if (count > 0) continue;
    throw_user_error("no sample falls into the part '{}': give it a larger fraction, or use another seed",
                     name);
  }
  if (result.num_in_no_part > 0) {
    log_warning("data", "{} samples are in no part: the fractions sum to less than 1",
                with_thousands(result.num_in_no_part));
  }
}

SplitResult split_data(const DataConfig& config, const std::vector<std::string>& names,
                       const fs::path& folder, const SplitOptions& options, const PackHooks& hooks) {
  CLOOB_CHECK(!options.parts.empty(), "a split into no parts");
  const auto paths = expand_source_names(split_sources(names));
  if (!options.pack && are_tables(config, paths)) {
    reject_shard_options(options.packing);
    return split_tables(config, paths, folder, options, hooks);
  }
  return split_into_shards(config, names, folder, options, hooks);
}

}  // namespace cloob

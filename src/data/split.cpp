#include "cloob/data/split.h"

#include <ATen/ceil_div.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "data/pack_folder.h"
#include "data/pack_samples.h"
#include "data/pack_source.h"
#include "data/parallel.h"
#include "data/sample_reader.h"
#include "data/source_names.h"
#include "data/split_parts.h"
#include "data/text_hash.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr double kRounding = 1e-9;  // of shares that are meant to make 1

// Names become names of files and folders.
bool is_part_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

SplitPart parse_part(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view name = trim(text.substr(0, equals));
  const std::string_view number = equals == std::string_view::npos ? "" : trim(text.substr(equals + 1));
  const double share = parse_double(number).value_or(0);
  if (!is_part_name(name) || !(share > 0 && share <= 1)) {
    throw_user_error(
        "'{}' is no part: each is a name (letters, digits, _ and -), '=' and its share of the samples, above "
        "0 and at "
        "most 1, as in train=0.98,val=0.02",
        text);
  }
  return {std::string(name), share};
}

// The same file may be named in several ways.
std::string usual_spelling(std::string_view key) {
  std::string path(key);
  constexpr std::string_view kMember = ".zip:";  // see ZipFiles
  if (const std::size_t found = path.find(kMember); found != std::string::npos) {
    path[found + kMember.size() - 1] = '/';
  }
  return fs::path(path).lexically_normal().string();
}

double total_share(const std::vector<SplitPart>& parts) {
  double sum = 0;
  for (const SplitPart& part : parts) sum += part.share;
  return sum;
}

// The parts of all samples of a source that need no reading of pictures.
std::vector<std::size_t> parts_of_samples(const Source& source, const PartOfKey& part_of,
                                          std::int64_t threads) {
  constexpr std::int64_t kPiece = 1024;
  std::vector<std::size_t> parts(static_cast<std::size_t>(source.size()));
  parallel_for(at::ceil_div(source.size(), kPiece), threads, [&](std::int64_t piece) {
    for (std::int64_t i = piece * kPiece; i < std::min(source.size(), (piece + 1) * kPiece); ++i) {
      std::string key;
      try {
        key = source.key(i);
      } catch (const BadSample&) {  // goes somewhere, where it is found and counted when it is packed
        key = source.describe(i);
      }
      parts[static_cast<std::size_t>(i)] = part_of(key);
    }
  });
  return parts;
}

nlohmann::ordered_json origin_of_part(nlohmann::ordered_json origin, const SplitOptions& options,
                                      std::size_t number) {
  for (const SplitPart& part : options.parts) origin["split"][part.name] = part.share;
  origin["split seed"] = options.seed;
  origin["part"] = options.parts[number].name;
  return origin;
}

void require_room_for_parts(const fs::path& folder, const SplitOptions& options) {
  std::error_code error;
  if (options.packing.resume || !fs::exists(folder, error)) return;
  if (fs::is_directory(folder, error) && fs::is_empty(folder, error)) return;
  throw_user_error(
      "'{}' is there and not an empty folder: name a new one, or add --resume to go on with what was begun "
      "in it",
      folder.string());
}

SplitResult split_into_shards(const DataConfig& config, const std::vector<std::string>& names,
                              const fs::path& folder, const SplitOptions& options, const PackHooks& hooks) {
  require_room_for_parts(folder, options);
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

// What only shards know must not be taken for done.
void refuse_options_of_shards(const PackOptions& packing) {
  const PackOptions usual;
  std::vector<std::string> given;
  if (packing.samples_per_shard != usual.samples_per_shard) given.emplace_back("samples per shard");
  if (packing.resize) given.emplace_back("resizing");
  if (packing.quality != usual.quality) given.emplace_back("JPEG quality");
  if (packing.shuffle_seed) given.emplace_back("shuffling");
  if (packing.resume) given.emplace_back("resuming");
  if (given.empty()) return;
  throw_user_error(
      "a table is split into tables, where {} {} no meaning: leave that out, or add --pack to write shards",
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
  if (total_share(parts) > 1 + kRounding) {
    throw_user_error("the shares of '{}' are {} in all: at most 1 is there to be shared", text,
                     shortest(total_share(parts)));
  }
  return parts;
}

PartOfKey::PartOfKey(const std::vector<SplitPart>& parts, std::uint64_t seed) : seed_(seed) {
  double end = 0;
  for (const SplitPart& part : parts) ends_.push_back(end += part.share);
  if (std::abs(end - 1) <= kRounding) ends_.back() = 1;
}

std::size_t PartOfKey::operator()(std::string_view key) const {
  constexpr int kUnused = 11;  // 53 bits are what a double holds
  const double place = static_cast<double>(hash_text(usual_spelling(key), seed_) >> kUnused) * 0x1p-53;
  return static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), place) - ends_.begin());
}

void check_split(const SplitResult& result) {
  for (const auto& [name, count] : result.num_samples) {
    if (count > 0) continue;
    throw_user_error("no sample falls into the part '{}': give it a larger share, or take another seed",
                     name);
  }
  if (result.num_in_no_part > 0) {
    log_warning("data", "{} samples are in no part: the shares are less than 1 in all",
                with_thousands(result.num_in_no_part));
  }
}

SplitResult split_data(const DataConfig& config, const std::vector<std::string>& names,
                       const fs::path& folder, const SplitOptions& options, const PackHooks& hooks) {
  CLOOB_CHECK(!options.parts.empty(), "a split into no parts");
  const auto paths = expand_source_names(split_sources(names));
  if (!options.pack && are_tables(config, paths)) {
    refuse_options_of_shards(options.packing);
    return split_tables(config, paths, folder, options, hooks);
  }
  return split_into_shards(config, names, folder, options, hooks);
}

}  // namespace cloob

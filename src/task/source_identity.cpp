#include "task/source_identity.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "cloob/base/error.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"
#include "cloob/data/bad_samples.h"

namespace cloob {
namespace {

constexpr const char* kSamples = "samples";
constexpr const char* kShards = "shards";
constexpr std::string_view kKeyPrefix = "key.";
constexpr std::int64_t kNumKeys = 512;

// Metadata are UTF-8, keys need not be.
std::string as_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::size_t length = decode_character(text).length;
    valid += length == 0 ? "?" : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return valid;
}

// nullopt if the sample is damaged: then it is not known.
std::optional<std::string> key_of(const Source& source, std::int64_t index) {
  try {
    return as_utf8(source.key(index));
  } catch (const BadSample&) {
    return std::nullopt;
  }
}

// "00003.tar" for "pipe:cat /data/00003.tar.gz, sample 0"; empty if it is no shard.
std::string_view shard_name(std::string_view description) {
  const std::size_t end = description.rfind(".tar");
  if (!description.ends_with(", sample 0") || end == std::string_view::npos) return {};
  const std::size_t before = description.find_last_of("/ :=", end);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  return description.substr(begin, end + 4 - begin);
}

// Names and sizes of the shards, in their order.
std::string shards_of(const Source& source) {
  if (shard_name(source.describe(0)).empty()) return "";  // a table, whose parts take a look at all rows
  std::uint64_t hash = 0;
  std::int64_t first = 0;
  for (const SourcePart& part : source.parts()) {
    if (part.size > 0) {
      const std::string description = source.describe(first);
      const std::string_view name = shard_name(description);
      if (name.empty()) return "";
      hash = hash_text(fmt::format("{} {}", name, part.size), hash);
    }
    first += part.size;
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace

SourceIdentity::SourceIdentity(const Source& source) : samples_(source.size()), shards_(shards_of(source)) {
  if (source.is_stream()) return;
  const std::int64_t count = std::min(kNumKeys, samples_);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t index = count == 1 ? 0 : (samples_ - 1) * i / (count - 1);
    if (const auto key = key_of(source, index)) keys_.emplace(index, *key);
  }
}

SourceIdentity::SourceIdentity(const std::map<std::string, std::string>& metadata,
                               const std::filesystem::path& file) {
  const auto damaged = [&](const std::string& what) {
    throw_user_error("'{}' does not say for which data it was made ({}): build it again", file.string(),
                     what);
  };
  const auto samples = metadata.find(kSamples);
  if (samples == metadata.end()) damaged("its number of samples is missing");
  samples_ = parse_integer(samples->second).value_or(-1);
  if (samples_ < 1) damaged(fmt::format("'{}' samples", samples->second));
  if (const auto shards = metadata.find(kShards); shards != metadata.end()) shards_ = shards->second;
  for (auto key = metadata.lower_bound(std::string(kKeyPrefix));
       key != metadata.end() && key->first.starts_with(kKeyPrefix); ++key) {
    const auto index = parse_integer(std::string_view(key->first).substr(kKeyPrefix.size()));
    if (!index || *index < 0 || *index >= samples_) damaged(fmt::format("'{}'", key->first));
    keys_.emplace(*index, key->second);
  }
  if (keys_.empty() && shards_.empty()) damaged("it has neither keys nor shards");
}

std::map<std::string, std::string> SourceIdentity::to_metadata() const {
  std::map<std::string, std::string> metadata = {{kSamples, std::to_string(samples_)}};
  if (!shards_.empty()) metadata[kShards] = shards_;
  for (const auto& [index, key] : keys_) metadata[fmt::format("{}{}", kKeyPrefix, index)] = key;
  return metadata;
}

std::optional<std::string> SourceIdentity::difference_of(const Source& source) const {
  if (source.size() != samples_)
    return fmt::format("has {} instead of {}", counted(source.size(), "sample"), with_thousands(samples_));
  if (keys_.empty() || source.is_stream()) {
    if (!shards_.empty() && shards_of(source) == shards_) return std::nullopt;
    return "has shards of other names or sizes, or in another order";
  }
  for (const auto& [index, expected] : keys_) {
    const auto key = key_of(source, index);
    if (key && *key != expected)
      return fmt::format("has '{}' as sample {} instead of '{}'", *key, with_thousands(index), expected);
  }
  return std::nullopt;
}

}  // namespace cloob

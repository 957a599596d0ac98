#include "task/keyed_rows.h"

#include <fmt/core.h>
#include <xxhash.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/foreign_content.h"
#include "cloob/base/mapped_file.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"
#include "cloob/data/bad_samples.h"

namespace cloob {
namespace {

// 128 bits of hash stand for a key: two keys with the same are less likely than a memory error.
struct KeyedSample {
  std::uint64_t high = 0, low = 0;
  std::int64_t index = 0;
  bool has_key = false;

  std::pair<std::uint64_t, std::uint64_t> hash() const { return {high, low}; }
};

KeyedSample hashed(std::string_view key, std::int64_t index) {
  const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  return {hash.high64, hash.low64, index, true};
}

// Calls `visit` for each line, without its line break.
template <class Visit>
void for_each_line(std::string_view text, const Visit& visit) {
  for (std::int64_t number = 0; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    visit(number, line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string examples(const Tally& tally) {
  const bool are_all = tally.count == std::ssize(tally.examples);
  return fmt::format("({}{})", are_all ? "" : "for example ", join(tally.examples, ", "));
}

std::vector<KeyedSample> keys_of_samples(
    const Source& source, std::int64_t threads, Tally& unreadable,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  constexpr std::int64_t kPiece = 1024;
  const std::int64_t size = source.size();
  std::vector<KeyedSample> samples(static_cast<std::size_t>(size));
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for((size + kPiece - 1) / kPiece, threads, [&](std::int64_t piece) {
    const std::int64_t first = piece * kPiece, end = std::min(size, first + kPiece);
    for (std::int64_t index = first; index < end; ++index) {
      try {
        samples[static_cast<std::size_t>(index)] = hashed(source.key(index), index);
      } catch (const BadSample& error) {
        samples[static_cast<std::size_t>(index)].index = index;
        const std::lock_guard lock(mutex);
        unreadable.add([&] { return fmt::format("{}: {}", source.describe(index), error.what()); });
      }
    }
    const std::lock_guard lock(mutex);
    done += end - first;
    if (progress) progress(done, size);
  });
  std::erase_if(samples, [](const KeyedSample& sample) { return !sample.has_key; });
  std::ranges::sort(samples, {}, [](const KeyedSample& s) { return std::pair(s.hash(), s.index); });
  return samples;
}

void require_distinct(const std::vector<KeyedSample>& samples, const Source& source) {
  Tally repeated;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    if (samples[i].hash() == samples[i - 1].hash())
      repeated.add([&] { return fmt::format("'{}'", source.key(samples[i].index)); });
  }
  if (repeated.count == 0) return;
  throw_user_error(
      "{} of the data {} the key of an earlier sample {}, so that keys do not tell which row is whose: give the rows in the "
      "order of the samples, without keys",
      counted(repeated.count, "sample"), repeated.count == 1 ? "has" : "have", examples(repeated));
}

const KeyedSample* find(const std::vector<KeyedSample>& samples, std::string_view key) {
  const auto wanted = hashed(key, 0).hash();
  const auto found = std::ranges::lower_bound(samples, wanted, {}, &KeyedSample::hash);
  return found == samples.end() || found->hash() != wanted ? nullptr : &*found;
}

// What is wrong with the keys as a whole, in one line.
void require_one_row_each(const Tally& missing, const Tally& repeated, const Tally& unknown,
                          const std::string& file) {
  if (missing.count == 0 && repeated.count == 0) return;
  std::string faults;
  const auto add = [&](const Tally& tally, std::string_view thing, std::string_view one,
                       std::string_view many) {
    if (tally.count == 0) return;
    faults += fmt::format("{}{} {} {}", faults.empty() ? "" : "; ", counted(tally.count, thing),
                          tally.count == 1 ? one : many, examples(tally));
  };
  add(missing, "sample", "of the data has no row", "of the data have no row");
  add(repeated, "row", "has a key that an earlier row has", "have keys that earlier rows have");
  add(unknown, "key", "is not in the data", "are not in the data");
  throw_user_error("'{}' does not give each sample one row: {}", file, faults);
}

}  // namespace

KeyedRows match_keys(const Source& source, const std::filesystem::path& keys, std::int64_t rows,
                     std::int64_t threads,
                     const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  const std::string name = keys.string();
  if (source.is_stream()) {
    throw_user_error(
        "keys of streams are not known before all is read: give the rows in the order of the samples, without keys, or name "
        "copies of the shards on this machine");
  }
  const MappedFile file(keys);
  const std::string_view all(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  reject_foreign_content(keys, all.substr(0, kForeignContentBytes));
  const std::string_view text = without_byte_order_mark(all);
  std::int64_t lines = 0;
  for_each_line(text, [&](std::int64_t, std::string_view) { ++lines; });
  if (lines != rows) {
    throw_user_error("'{}' has {}, but there are {} of features: line k is the key of row k", name,
                     counted(lines, "line"), counted(rows, "row"));
  }

  KeyedRows result;
  const std::vector<KeyedSample> samples =
      keys_of_samples(source, resolve_threads(threads), result.unreadable, progress);
  require_distinct(samples, source);
  result.row_of_sample.assign(static_cast<std::size_t>(source.size()), -1);
  Tally missing, repeated;
  for_each_line(text, [&](std::int64_t row, std::string_view key) {
    const KeyedSample* const sample = find(samples, key);
    if (!sample) {
      result.unused.add([&] { return fmt::format("'{}'", key); });
    } else if (std::int64_t& known = result.row_of_sample[static_cast<std::size_t>(sample->index)];
               known < 0) {
      known = row;
    } else {
      repeated.add([&] { return fmt::format("'{}' in lines {} and {}", key, known + 1, row + 1); });
    }
  });
  std::vector<std::int64_t> without;
  for (const KeyedSample& sample : samples) {
    if (result.row_of_sample[static_cast<std::size_t>(sample.index)] < 0) without.push_back(sample.index);
  }
  std::ranges::sort(without);
  for (const std::int64_t index : without)
    missing.add([&] { return fmt::format("'{}'", source.key(index)); });
  require_one_row_each(missing, repeated, result.unused, name);
  return result;
}

}  // namespace cloob

#include "cloob/data/tar/index_file.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "data/tar/tar_scanner.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "index files are little-endian");

// Describes what follows it. A change of the format increments `version`; old files are then rebuilt.
struct Preamble {
  char magic[8] = {'c', 'l', 'o', 'o', 'b', 'i', 'd', 'x'};
  std::uint32_t version = 3;
  std::uint32_t crc32 = 0;  // of the whole file, with this number 0
  std::uint64_t text_bytes = 0;
  std::uint64_t num_samples = 0;
};

/// Checksum of all bytes in their order.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) {
    value_ = crc32_z(value_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }
  void add(Preamble preamble) {
    preamble.crc32 = 0;
    add(std::as_bytes(std::span(&preamble, 1)));
  }
  std::uint32_t value() const { return static_cast<std::uint32_t>(value_); }

 private:
  uLong value_ = 0;
};

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Json to_json(const std::string& name, const IndexedShard& shard) {
  Json json = {{"name", name},
               {"bytes", shard.stamp.bytes},
               {"modified_ns", shard.stamp.modified_ns},
               {"samples", shard.layout.size()},
               {"end", shard.layout.end},
               {"kinds", shard.layout.kinds},
               {"has_end_mark", shard.layout.has_end_mark},
               {"links", shard.layout.num_links},
               {"duplicate_keys", shard.layout.duplicate_keys.count},
               {"first_duplicate_keys", shard.layout.duplicate_keys.examples},
               {"damage", Json::array()}};
  for (const auto& [number, what] : shard.layout.damage) json["damage"].push_back({number, what});
  return json;
}

void require(bool holds) {
  if (!holds) throw_user_error("its numbers contradict each other");
}

std::int64_t count_in(const Json& json, const char* name, std::int64_t max) {
  return json_integer(json.at(name), name, 0, max);
}

// Without `begins`. What it says must be possible for a shard of `num_samples` samples, whoever wrote it.
IndexedShard shard_from(const Json& json, std::int64_t num_samples) {
  constexpr std::int64_t kMaxBytes = std::numeric_limits<std::int64_t>::max();
  IndexedShard shard;
  ShardLayout& layout = shard.layout;
  const std::int64_t bytes = count_in(json, "bytes", kMaxBytes);
  shard.stamp = {static_cast<std::uint64_t>(bytes),
                 json_integer(json.at("modified_ns"), "modified_ns", std::numeric_limits<std::int64_t>::min(),
                              std::numeric_limits<std::int64_t>::max())};
  layout.end = static_cast<std::uint64_t>(count_in(json, "end", bytes));
  std::int64_t num_intact = 0;
  for (const auto& [kind, count] : json.at("kinds").items()) {
    layout.kinds[kind] = json_integer(count, kind, 0, num_samples - num_intact);
    num_intact += layout.kinds[kind];
  }
  layout.has_end_mark = json.at("has_end_mark").get<bool>();
  layout.num_links = count_in(json, "links", kMaxBytes);
  layout.duplicate_keys = {count_in(json, "duplicate_keys", num_samples),
                           json.at("first_duplicate_keys").get<std::vector<std::string>>()};
  require(layout.duplicate_keys.count == 0 || !layout.duplicate_keys.examples.empty());
  for (const Json& entry : json.at("damage")) {
    layout.damage.emplace(json_integer(entry.at(0), "damage", 0, num_samples - 1),
                          entry.at(1).get<std::string>());
  }
  require(num_intact + std::ssize(layout.damage) == num_samples);
  return shard;
}

// The four bytes per sample must be aligned to four.
std::size_t padding_of(std::size_t text_bytes) { return (4 - text_bytes % 4) % 4; }

// Calls visit(numbers) for all begins of a shard, piece by piece.
template <class Visit>
void visit_begins(const SampleBegins& begins, const Visit& visit) {
  constexpr std::int64_t kPiece = 1 << 18;
  std::vector<std::uint32_t> numbers;
  for (std::int64_t first = 0; first < begins.size(); first += kPiece) {
    numbers.resize(static_cast<std::size_t>(std::min(kPiece, begins.size() - first)));
    begins.read(first, numbers);
    visit(std::span<const std::uint32_t>(numbers));
  }
}

// Every sample begins after the one before it, and before the end.
void check_begins(const ShardLayout& layout, Checksum& checksum) {
  std::int64_t last = -1;
  visit_begins(layout.begins, [&](std::span<const std::uint32_t> begins) {
    checksum.add(std::as_bytes(begins));
    for (const std::uint32_t begin : begins) {
      require(begin > last);
      last = begin;
    }
  });
  require(last <= static_cast<std::int64_t>(layout.end / kTarBlock));
}

ShardIndexes parse(const std::shared_ptr<const RandomAccessFile>& file) {
  Preamble preamble;
  const Preamble expected;
  if (file->size() < sizeof(preamble)) throw_user_error("it is truncated");
  file->read(0, std::as_writable_bytes(std::span(&preamble, 1)));
  if (std::memcmp(preamble.magic, expected.magic, sizeof(preamble.magic)) != 0) {
    throw_user_error("it is not an index of shards");
  }
  if (preamble.version != expected.version) {
    throw_user_error("it has version {}, expected {}", preamble.version, expected.version);
  }
  const std::uint64_t bytes_left = file->size() - sizeof(preamble);
  if (preamble.text_bytes > bytes_left) throw_user_error("it is truncated");
  const std::uint64_t begins_bytes = bytes_left - preamble.text_bytes;
  if (begins_bytes % sizeof(std::uint32_t) != 0 ||
      preamble.num_samples != begins_bytes / sizeof(std::uint32_t)) {
    throw_user_error("it is truncated");
  }
  std::string text(static_cast<std::size_t>(preamble.text_bytes), '\0');
  file->read(sizeof(preamble), std::as_writable_bytes(std::span(text.data(), text.size())));
  Checksum checksum;
  checksum.add(preamble);
  checksum.add(as_bytes(text));
  ShardIndexes shards;
  std::uint64_t offset = sizeof(preamble) + preamble.text_bytes;
  auto samples_left = static_cast<std::int64_t>(preamble.num_samples);
  for (const Json& json : parse_json(text)) {
    const std::int64_t samples = count_in(json, "samples", samples_left);
    IndexedShard shard = shard_from(json, samples);
    shard.layout.begins = SampleBegins(file, offset, samples);
    check_begins(shard.layout, checksum);
    samples_left -= samples;
    offset += static_cast<std::uint64_t>(samples) * sizeof(std::uint32_t);
    shards.emplace(json.at("name").get<std::string>(), std::move(shard));
  }
  require(samples_left == 0);
  if (checksum.value() != preamble.crc32) throw_user_error("its checksum does not match");
  return shards;
}

// A file of that name which is something else must not be lost.
void require_index_or_nothing(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return;
  const RandomAccessFile file(path);
  const Preamble expected;
  char magic[sizeof(expected.magic)] = {};
  if (file.size() >= sizeof(magic)) file.read(0, std::as_writable_bytes(std::span(magic)));
  // A power failure may leave zeros in place of the content.
  const bool is_lost = std::ranges::all_of(magic, [](char c) { return c == '\0'; });
  if (!is_lost && std::memcmp(magic, expected.magic, sizeof(magic)) != 0) {
    throw_user_error("'{}' exists and is not an index of shards, so it is not overwritten: move it away",
                     path.string());
  }
}

}  // namespace

FileStamp stamp_of(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    throw_user_error("cannot read '{}': {}", file.string(), describe_errno(errno));
  }
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  return {static_cast<std::uint64_t>(status.st_size),
          status.st_mtim.tv_sec * kNanoseconds + status.st_mtim.tv_nsec};
}

std::filesystem::path default_index_folder() {
  const std::filesystem::path cache = cache_folder();
  return cache.empty() ? cache : cache / "indexes";
}

std::filesystem::path index_path_beside(const std::filesystem::path& shard_folder) {
  return shard_folder / "cloob.index";
}

std::filesystem::path index_path_in(const std::filesystem::path& index_folder,
                                    const std::filesystem::path& shard_folder) {
  // The folder of "shard.tar" is empty, which `absolute` rejects.
  const std::filesystem::path folder = shard_folder.empty() ? "." : shard_folder;
  const auto absolute = std::filesystem::absolute(folder / "").lexically_normal().parent_path();
  Checksum name_checksum;
  name_checksum.add(as_bytes(absolute.native()));
  return index_folder / fmt::format("{}_{:08x}.index", absolute.filename().string(), name_checksum.value());
}

ShardIndexes read_index_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  try {
    return parse(std::make_shared<const RandomAccessFile>(path));
  } catch (const UserError& failure) {
    log_warning("data", "'{}' is ignored: {}", path.string(), failure.what());
  } catch (const JsonError& failure) {
    log_warning("data", "'{}' is ignored: it {}", path.string(), failure.what());
  } catch (const Json::exception&) {
    log_warning("data", "'{}' is ignored: it is damaged", path.string());
  }
  return {};
}

void write_index_file(const std::filesystem::path& path, const ShardIndexes& shards) {
  require_index_or_nothing(path);
  Json list = Json::array();
  Preamble preamble;
  for (const auto& [name, shard] : shards) {
    list.push_back(to_json(name, shard));
    preamble.num_samples += static_cast<std::uint64_t>(shard.layout.size());
  }
  std::string text = list.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) + "\n";
  text.append(padding_of(text.size()), ' ');
  preamble.text_bytes = text.size();
  Checksum checksum;
  checksum.add(preamble);
  checksum.add(as_bytes(text));
  for (const auto& [name, shard] : shards) {
    visit_begins(shard.layout.begins, [&](const auto& begins) { checksum.add(std::as_bytes(begins)); });
  }
  preamble.crc32 = checksum.value();
  write_file_atomically(path, [&](OutputFile& file) {
    file.write(std::as_bytes(std::span(&preamble, 1)));
    file.write(text);
    for (const auto& [name, shard] : shards) {
      visit_begins(shard.layout.begins, [&](const auto& begins) { file.write(std::as_bytes(begins)); });
    }
  });
}

}  // namespace cloob

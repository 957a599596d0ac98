#include "cloob/data/tar/index_file.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <zlib.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "index files are little-endian");

// Describes the text after it. A change of the format increments `version`; old files are then rebuilt.
struct Preamble {
  char magic[8] = {'c', 'l', 'o', 'o', 'b', 'i', 'd', 'x'};
  std::uint32_t version = 2;
  std::uint32_t text_crc32 = 0;
  std::uint64_t text_bytes = 0;
  std::uint64_t num_samples = 0;
};

std::uint32_t crc32_of(std::string_view text) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const unsigned char*>(text.data()), text.size()));
}

Json to_json(const std::string& name, const IndexedShard& shard) {
  Json json = {{"name", name},
               {"bytes", shard.stamp.bytes},
               {"modified_ns", shard.stamp.modified_ns},
               {"samples", shard.layout.size()},
               {"end", shard.layout.end},
               {"kinds", shard.layout.kinds},
               {"has_end_mark", shard.layout.has_end_mark},
               {"duplicate_keys", shard.layout.duplicate_keys.count},
               {"first_duplicate_keys", shard.layout.duplicate_keys.examples},
               {"damage", Json::array()}};
  for (const auto& [number, what] : shard.layout.damage) json["damage"].push_back({number, what});
  return json;
}

// Without `begins` and `memory`.
IndexedShard shard_from(const Json& json) {
  IndexedShard shard;
  shard.stamp = {json.at("bytes").get<std::uint64_t>(), json.at("modified_ns").get<std::int64_t>()};
  shard.layout.end = json.at("end").get<std::uint64_t>();
  shard.layout.kinds = json.at("kinds").get<std::map<std::string, std::int64_t>>();
  shard.layout.has_end_mark = json.at("has_end_mark").get<bool>();
  shard.layout.duplicate_keys = {json.at("duplicate_keys").get<std::int64_t>(),
                                 json.at("first_duplicate_keys").get<std::vector<std::string>>()};
  for (const Json& entry : json.at("damage")) {
    shard.layout.damage.emplace(entry.at(0).get<std::int64_t>(), entry.at(1).get<std::string>());
  }
  return shard;
}

// The four bytes per sample must be aligned to four.
std::size_t padding_of(std::size_t text_bytes) { return (4 - text_bytes % 4) % 4; }

std::string_view take(std::span<const std::byte>& bytes, std::uint64_t count) {
  if (count > bytes.size()) throw_user_error("it is truncated");
  const std::string_view taken(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(count));
  bytes = bytes.subspan(static_cast<std::size_t>(count));
  return taken;
}

ShardIndexes parse(const std::shared_ptr<const MappedFile>& file) {
  std::span<const std::byte> bytes = file->bytes();
  Preamble preamble;
  const Preamble expected;
  std::memcpy(&preamble, take(bytes, sizeof(preamble)).data(), sizeof(preamble));
  if (std::memcmp(preamble.magic, expected.magic, sizeof(preamble.magic)) != 0) {
    throw_user_error("it is not an index of shards");
  }
  if (preamble.version != expected.version) {
    throw_user_error("it has version {}, expected {}", preamble.version, expected.version);
  }
  const std::string_view text = take(bytes, preamble.text_bytes);
  if (crc32_of(text) != preamble.text_crc32) throw_user_error("its checksum does not match");
  if (bytes.size() != 4 * preamble.num_samples) throw_user_error("it is truncated");
  std::span<const std::uint32_t> begins(reinterpret_cast<const std::uint32_t*>(bytes.data()),
                                        static_cast<std::size_t>(preamble.num_samples));
  ShardIndexes shards;
  for (const Json& json : parse_json(text)) {
    IndexedShard shard = shard_from(json);
    const auto samples = json.at("samples").get<std::size_t>();
    if (samples > begins.size()) throw_user_error("it is truncated");
    shard.layout.begins = begins.first(samples);
    shard.layout.memory = file;
    begins = begins.subspan(samples);
    shards.emplace(json.at("name").get<std::string>(), std::move(shard));
  }
  return shards;
}

}  // namespace

FileStamp stamp_of(const std::filesystem::path& file) {
  struct stat status{};
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
  return index_folder /
         fmt::format("{}_{:08x}.index", absolute.filename().string(), crc32_of(absolute.string()));
}

ShardIndexes read_index_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  try {
    return parse(std::make_shared<const MappedFile>(path));
  } catch (const UserError& failure) {
    log_warning("data", "'{}' is ignored: {}", path.string(), failure.what());
  } catch (const std::exception&) {
    log_warning("data", "'{}' is ignored: it is damaged", path.string());
  }
  return {};
}

void write_index_file(const std::filesystem::path& path, const ShardIndexes& shards) {
  Json list = Json::array();
  Preamble preamble;
  for (const auto& [name, shard] : shards) {
    list.push_back(to_json(name, shard));
    preamble.num_samples += shard.layout.begins.size();
  }
  std::string text = list.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) + "\n";
  text.append(padding_of(text.size()), ' ');
  preamble.text_bytes = text.size();
  preamble.text_crc32 = crc32_of(text);
  write_file_atomically(path, [&](OutputFile& file) {
    file.write(std::as_bytes(std::span(&preamble, 1)));
    file.write(text);
    for (const auto& [name, shard] : shards) file.write(std::as_bytes(shard.layout.begins));
  });
}

}  // namespace cloob

#include "memory/memory_parts.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/random.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kBuildFile = "build.json";
constexpr const char* kWrittenBy = "cloob memory build";
constexpr std::int64_t kFormat = 2;  // 1 did not look at images

Json to_json(const BuildIdentity& identity) {
  return {{"written_by", kWrittenBy},
          {"format_version", kFormat},
          {"model", identity.model},
          {"samples", identity.samples},
          {"data", identity.data},
          {"entries", identity.entries},
          {"part_samples", identity.part_samples}};
}

// Of a build that was killed while it began: "build.json.tmp123".
void remove_unfinished_description(const fs::path& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with(std::string(kBuildFile) + ".tmp"))
      fs::remove(entry.path(), error);
  }
}

std::string shown(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

}  // namespace

std::string BuildIdentity::to_text() const { return to_json(*this).dump(); }

std::string BuildIdentity::id() const { return fmt::format("{:016x}", hash_text(to_text(), 0)); }

class MemoryParts::Lock {
 public:
  explicit Lock(const fs::path& folder)
      : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ < 0) throw_user_error("cannot open '{}': {}", folder.string(), describe_errno(errno));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    if (errno == EWOULDBLOCK) {
      ::close(descriptor_);
      throw_user_error("another process is building in '{}': wait until it is done, or choose another folder",
                       folder.string());
    }
    log_warning("memory", "'{}' cannot be locked ({}): do not build it with two commands at once",
                folder.string(), describe_errno(errno));
  }
  ~Lock() { ::close(descriptor_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int descriptor_;
};

fs::path MemoryParts::folder_of(const fs::path& memory) {
  const fs::path normal = (fs::absolute(memory).lexically_normal() / "").parent_path();
  return normal.string() + ".parts";
}

MemoryParts::MemoryParts(fs::path folder, BuildIdentity identity)
    : folder_(std::move(folder)), identity_(std::move(identity)) {}

bool MemoryParts::exist() const {
  std::error_code error;
  return fs::exists(folder_ / kBuildFile, error);
}

void MemoryParts::open() {
  make_directories(folder_);
  lock_ = std::make_shared<Lock>(folder_);
  if (!exist()) {
    remove_unfinished_description(folder_);
    require_new_or_empty(folder_);
    write_file_atomically(folder_ / kBuildFile, to_json(identity_).dump(2) + "\n");
  } else if (const auto different = difference()) {
    throw_user_error(
        "'{}' holds the parts of another build ({}): give the same command to go on with it, or remove the folder",
        folder_.string(), *different);
  }
}

bool MemoryParts::are_of_this_build() const {
  try {
    return exist() && !difference();
  } catch (const UserError&) {  // nobody knows of what they are
    return false;
  }
}

std::optional<std::string> MemoryParts::difference() const {
  const fs::path file = folder_ / kBuildFile;
  constexpr std::uint64_t kMaxBytes = 1 << 16;
  const Json wanted = to_json(identity_);
  Json found;
  try {
    found = parse_json<Json>(read_small_file(file, kMaxBytes, "the description of a build"));
    if (!found.is_object() || found.value("written_by", Json()) != kWrittenBy)
      throw JsonError("was not written by cloob memory build");
  } catch (const JsonError& failure) {
    throw_user_error("'{}' {}: remove the folder '{}'", file.string(), failure.what(), folder_.string());
  }
  for (const auto& [name, value] : wanted.items()) {
    const Json other = found.value(name, Json());
    if (other != value) return fmt::format("{} is {}, of this command {}", name, shown(other), shown(value));
  }
  return std::nullopt;
}

void MemoryParts::require_visible() const {
  if (exist()) return;
  throw_user_error("'{}' is not seen by all ranks: it has to be on a file system that they share",
                   folder_.string());
}

Slice MemoryParts::samples_of(std::int64_t part) const {
  const std::int64_t first = part * identity_.part_samples;
  return {first, std::min(identity_.part_samples, identity_.samples - first)};
}

fs::path MemoryParts::path_of(std::int64_t part) const { return folder_ / fmt::format("part_{:05}", part); }

namespace {

fs::path empty_file(const fs::path& part) { return part.string() + ".empty"; }

}  // namespace

void MemoryParts::finish_empty(std::int64_t part) const {
  write_file_atomically(empty_file(path_of(part)), "");
}

bool MemoryParts::is_empty(std::int64_t part) const {
  std::error_code error;
  return fs::exists(empty_file(path_of(part)), error);
}

std::int64_t MemoryParts::skipped(std::int64_t part) const {
  return is_empty(part) ? samples_of(part).count : read_index_header(path_of(part)).skipped;
}

std::vector<std::int64_t> MemoryParts::missing() const {
  std::vector<std::int64_t> parts;
  for (std::int64_t part = 0; part < size(); ++part) {
    const fs::path path = path_of(part);
    std::error_code error;
    if (is_empty(part)) continue;
    if (fs::exists(path, error)) {
      try {
        read_index_header(path);
        continue;
      } catch (const UserError& damage) {
        log_warning("memory", "a part is encoded again: {}", damage.what());
        fs::remove_all(path, error);
      }
    }
    parts.push_back(part);
  }
  return parts;
}

void MemoryParts::remove() { remove_folder(folder_); }

}  // namespace cloob

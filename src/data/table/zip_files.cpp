#include "data/table/zip_files.h"

#include <fmt/core.h>
#include <zip.h>

#include <span>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/limits.h"
#include "data/read_claimed.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

struct Discard {
  void operator()(zip_t* zip) const { zip_discard(zip); }
};

struct CloseMember {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

using ZipHandle = std::unique_ptr<zip_t, Discard>;

std::string describe_zip_error(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

ZipHandle open_archive(const fs::path& path) {
  int code = 0;
  ZipHandle handle(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (handle) return handle;
  if (code == ZIP_ER_NOENT) {
    throw BadSample(BadKind::missing_file, fmt::format("there is no archive '{}'", path.string()));
  }
  throw BadSample(BadKind::unreadable, fmt::format("the archive '{}' cannot be opened: {}", path.string(),
                                                   describe_zip_error(code)));
}

// End of the name of an archive in `path`, searching from `begin`.
std::size_t find_archive_end(std::string_view path, std::size_t begin) {
  constexpr std::string_view kEnding = ".zip";
  for (std::size_t dot = path.find('.', begin); dot != std::string_view::npos;
       dot = path.find('.', dot + 1)) {
    const std::size_t end = dot + kEnding.size();
    if (end + 1 >= path.size()) break;
    if ((path[end] == '/' || path[end] == ':') &&
        to_lower_ascii(path.substr(dot, kEnding.size())) == kEnding) {
      return end;
    }
  }
  return std::string_view::npos;
}

}  // namespace

struct ZipFiles::Archive {
  std::mutex mutex;
  ZipHandle handle;  // null until opened

  // The caller must hold the lock.
  zip_t* open(const fs::path& path) {
    if (!handle) handle = open_archive(path);
    return handle.get();
  }
};

std::optional<std::string_view> archive_in_path(std::string_view path) {
  const std::size_t end = find_archive_end(path, 0);
  if (end == std::string_view::npos) return std::nullopt;
  return path.substr(0, end);
}

std::optional<ZipMember> find_zip_member(const fs::path& path) {
  const std::string& text = path.native();
  for (std::size_t end = find_archive_end(text, 0); end != std::string::npos;
       end = find_archive_end(text, end)) {
    ZipMember member = {text.substr(0, end), text.substr(end + 1)};
    std::error_code error;
    if (!fs::is_directory(member.archive, error)) return member;
  }
  return std::nullopt;
}

ZipFiles::ZipFiles(std::size_t max_open) : max_open_(max_open) {
  CLOOB_CHECK(max_open >= 1, "at most {} open archives", max_open);
}

ZipFiles::~ZipFiles() = default;

std::shared_ptr<ZipFiles::Archive> ZipFiles::archive(const fs::path& path) const {
  const std::lock_guard lock(mutex_);
  const std::string& name = path.native();
  if (const auto found = place_.find(name); found != place_.end()) {
    opened_.splice(opened_.begin(), opened_, found->second);
    return opened_.front().second;
  }
  if (opened_.size() == max_open_) {  // closed by its last reader
    place_.erase(opened_.back().first);
    opened_.pop_back();
  }
  opened_.emplace_front(name, std::make_shared<Archive>());
  place_[name] = opened_.begin();
  return opened_.front().second;
}

std::vector<std::byte> ZipFiles::read(const ZipMember& member) const {
  const std::shared_ptr<Archive> archive = this->archive(member.archive);
  const std::lock_guard lock(archive->mutex);
  zip_t* const zip = archive->open(member.archive);
  const auto fail = [&](BadKind kind, std::string_view reason) {
    throw BadSample(
        kind, fmt::format("'{}' in the archive '{}': {}", member.name, member.archive.string(), reason));
  };
  zip_stat_t status;
  zip_stat_init(&status);
  if (zip_stat(zip, member.name.c_str(), 0, &status) != 0)
    fail(BadKind::missing_file, "there is no such file");
  require_at_most(kMaxEncodedBytes, status.size,
                  fmt::format("'{}' in the archive '{}'", member.name, member.archive.string()));
  const std::unique_ptr<zip_file_t, CloseMember> file(zip_fopen_index(zip, status.index, 0));
  if (!file) fail(BadKind::unreadable, zip_strerror(zip));
  std::vector<std::byte> bytes = read_claimed(status.size, [&](std::span<std::byte> into) {
    const zip_int64_t count = zip_fread(file.get(), into.data(), into.size());
    if (count < 0) fail(BadKind::unreadable, zip_file_strerror(file.get()));
    return static_cast<std::size_t>(count);
  });
  if (bytes.size() < status.size) fail(BadKind::unreadable, "it is truncated");
  std::byte beyond;  // libzip verifies the checksum at the end
  if (zip_fread(file.get(), &beyond, 1) != 0) fail(BadKind::unreadable, "its content is damaged");
  return bytes;
}

bool ZipFiles::contains(const ZipMember& member) const {
  try {
    const std::shared_ptr<Archive> archive = this->archive(member.archive);
    const std::lock_guard lock(archive->mutex);
    return zip_name_locate(archive->open(member.archive), member.name.c_str(), 0) >= 0;
  } catch (const BadSample&) {
    return false;
  }
}

}  // namespace cloob

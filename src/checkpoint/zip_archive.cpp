#include "checkpoint/zip_archive.h"

#include <zip.h>

#include <utility>

#include "checkpoint/printable.h"
#include "cloob/base/error.h"

namespace cloob {

struct ZipArchive::Handle {
  explicit Handle(zip_t* opened) : zip(opened) {}
  ~Handle() { zip_discard(zip); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  zip_t* zip;
};

namespace {

struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

std::string describe(int zip_error) {
  zip_error_t error;
  zip_error_init_with_code(&error, zip_error);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

}  // namespace

ZipArchive::ZipArchive(std::filesystem::path path) : path_(std::move(path)) {
  int error = 0;
  zip_t* const zip = zip_open(path_.c_str(), ZIP_RDONLY, &error);
  if (!zip) {
    throw_user_error(
        "'{}' is truncated or damaged: the directory at the end of the archive cannot be read ({}); copy or "
        "download it again",
        path_.string(), describe(error));
  }
  handle_ = std::make_unique<Handle>(zip);
  list_entries();
}

ZipArchive::~ZipArchive() = default;

void ZipArchive::list_entries() {
  std::uint64_t left = std::filesystem::file_size(path_);
  const zip_int64_t num_entries = zip_get_num_entries(handle_->zip, 0);
  for (zip_int64_t i = 0; i < num_entries; ++i) {
    zip_stat_t status;
    constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(handle_->zip, static_cast<zip_uint64_t>(i), 0, &status) != 0 ||
        (status.valid & kNeeded) != kNeeded) {
      throw_user_error("'{}' is damaged: entry {} of the archive cannot be read", path_.string(), i);
    }
    if (status.comp_method != ZIP_CM_STORE) continue;
    if (status.size > left || !sizes_.emplace(status.name, status.size).second) {
      throw_user_error("'{}' is damaged: its archive claims more bytes than the file has, or {} twice",
                       path_.string(), in_quotes(status.name));
    }
    left -= status.size;
  }
}

void ZipArchive::read(const std::string& name, std::span<std::byte> into) const {
  const std::unique_ptr<zip_file_t, CloseEntry> entry(zip_fopen(handle_->zip, name.c_str(), 0));
  const auto fail = [&](const char* reason) {
    throw_user_error("'{}' is damaged: {} of the archive cannot be read ({}); copy or download it again",
                     path_.string(), in_quotes(name), reason);
  };
  if (!entry) fail(zip_strerror(handle_->zip));
  for (std::size_t filled = 0; filled < into.size();) {
    const zip_int64_t count = zip_fread(entry.get(), into.data() + filled, into.size() - filled);
    if (count < 0) fail(zip_file_strerror(entry.get()));
    if (count == 0) fail("it is truncated");
    filled += static_cast<std::size_t>(count);
  }
  // libzip verifies the checksum when it reaches the end.
  std::byte beyond;
  const zip_int64_t more = zip_fread(entry.get(), &beyond, 1);
  if (more < 0) fail(zip_file_strerror(entry.get()));
  if (more > 0) fail("it is longer than expected");
}

std::string ZipArchive::read(const std::string& name) const {
  std::string content(sizes_.at(name), '\0');
  read(name, std::as_writable_bytes(std::span(content.data(), content.size())));
  return content;
}

}  // namespace cloob

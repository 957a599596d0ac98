#include "cloob/base/files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/foreign_content.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"

namespace cloob {
namespace {

[[noreturn]] void throw_errno(std::string_view action, const std::filesystem::path& path) {
  const int error_number = errno;
  throw_user_error("cannot {} '{}': {}", action, path.string(), describe_errno(error_number));
}

int open_for_reading(const std::filesystem::path& path, std::uint64_t& size, int flags = 0) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (descriptor < 0) throw_errno("open", path);
  struct stat status{};
  if (::fstat(descriptor, &status) != 0 || S_ISDIR(status.st_mode)) {
    if (S_ISDIR(status.st_mode)) errno = EISDIR;
    const int error_number = errno;
    ::close(descriptor);
    errno = error_number;
    throw_errno("read", path);
  }
  size = static_cast<std::uint64_t>(status.st_size);
  return descriptor;
}

struct Destination {
  std::filesystem::path path;
  bool is_replaceable;  // by renaming a new file over it
};

Destination destination_of(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) return {path, false};
  constexpr int kMaxLinks = 40;  // as in Linux
  std::filesystem::path target = path;
  for (int i = 0; i < kMaxLinks && std::filesystem::is_symlink(target, ignored); ++i) {
    const auto folder =
        std::filesystem::canonical(target.has_parent_path() ? target.parent_path() : ".", ignored);
    // Links in /proc are open files of a process: a new file of that name would never reach their readers.
    if (folder.string().starts_with("/proc/")) return {path, false};
    target = folder / std::filesystem::read_symlink(target, ignored);
  }
  return {target, true};
}

}  // namespace

std::string describe_errno(int error_number) { return std::generic_category().message(error_number); }

std::string read_file(const std::filesystem::path& path) {
  std::uint64_t size = 0;
  const int descriptor = open_for_reading(path, size);
  // Does not stop at the reported size: pipes and files in /proc report 0.
  std::string content;
  std::size_t filled = 0;
  for (;;) {
    if (content.size() == filled) content.resize(filled + (filled == 0 ? size + 1 : std::size_t{1} << 16));
    const ssize_t count = ::read(descriptor, content.data() + filled, content.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error_number = errno;
      ::close(descriptor);
      errno = error_number;
      throw_errno("read", path);
    }
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  ::close(descriptor);
  content.resize(filled);
  return content;
}

std::string read_small_file(const std::filesystem::path& path, std::uint64_t max_bytes,
                            std::string_view what) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
      !std::filesystem::is_directory(status)) {
    throw_user_error("'{}' is a device or a pipe, expected {}", path.string(), what);
  }
  const std::uintmax_t size = std::filesystem::file_size(path, ignored);
  if (!ignored && size > max_bytes) {
    throw_user_error("'{}' has {}, more than the {} that {} may have: is it the right file?", path.string(),
                     human_bytes(size), human_bytes(max_bytes), what);
  }
  std::string content = read_file(path);
  reject_foreign_content(path, content);
  return content;
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  reject_foreign_content(path, content);
  std::vector<std::string> lines = split(without_byte_order_mark(content), '\n');
  if (lines.back().empty()) lines.pop_back();
  for (std::string& line : lines) {
    if (line.ends_with('\r')) line.pop_back();
  }
  return lines;
}

std::vector<std::string> read_nonempty_lines(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  for (const std::string& line : read_lines(path)) {
    if (const auto text = trim(line); !text.empty()) lines.emplace_back(text);
  }
  if (lines.empty()) throw_user_error("'{}' is empty", path.string());
  return lines;
}

std::filesystem::path cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache != '\0') return std::filesystem::path(cache) / "cloob";
  const char* home = std::getenv("HOME");
  return home != nullptr && *home != '\0' ? std::filesystem::path(home) / ".cache" / "cloob" : "";
}

void make_directories(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw_user_error("cannot create the folder '{}': {}", path.string(), error.message());
}

void sync_directory(const std::filesystem::path& path) {
  const int descriptor = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw_errno("open", path);
  // Some file systems cannot sync a folder and return EINVAL; nothing more can be done on those.
  const bool failed = ::fsync(descriptor) != 0 && errno != EINVAL;
  const int error_number = errno;
  ::close(descriptor);
  errno = error_number;
  if (failed) throw_errno("sync", path);
}

void require_output_folder(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored))
    throw_user_error("cannot write '{}': it is a folder", file.string());
  const Destination destination = destination_of(file);
  if (!destination.is_replaceable) return;
  const auto folder = destination.path.has_parent_path() ? destination.path.parent_path() : ".";
  if (!std::filesystem::is_directory(folder, ignored)) {
    throw_user_error("cannot write '{}': there is no folder '{}'", file.string(), folder.string());
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) throw_errno("write to the folder", folder);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  write_file_atomically(path, [&](OutputFile& file) { file.write(content); });
}

void write_file_atomically(const std::filesystem::path& path, const std::function<void(OutputFile&)>& write) {
  const Destination destination = destination_of(path);
  if (!destination.is_replaceable) {
    OutputFile file(path, O_APPEND);
    write(file);
    return file.finish();
  }
  AtomicFile atomic(destination.path);
  write(atomic.file());
  atomic.publish();
}

AtomicFile::AtomicFile(std::filesystem::path path)
    : path_(std::move(path)),
      temporary_(path_.string() + fmt::format(".tmp{}", ::getpid())),
      file_(temporary_) {}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::publish() {
  file_.finish();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw_errno("write", path_);
  temporary_.clear();
  sync_directory(path_.parent_path());
}

OutputFile::OutputFile(std::filesystem::path path) : OutputFile(std::move(path), O_CREAT | O_TRUNC) {}

OutputFile::OutputFile(std::filesystem::path path, int flags) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC | flags, 0666);
  if (descriptor_ < 0) throw_errno(flags & O_CREAT ? "create" : "open", path_);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void OutputFile::write(std::string_view bytes) {
  write(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

void OutputFile::finish() {
  const int descriptor = std::exchange(descriptor_, -1);
  const bool synced = ::fsync(descriptor) == 0 || errno == EINVAL;
  const int sync_error = errno;
  const bool closed = ::close(descriptor) == 0;
  if (!synced) errno = sync_error;
  if (!synced || !closed) throw_errno("write", path_);
}

RandomAccessFile::RandomAccessFile(std::filesystem::path path) : path_(std::move(path)) {
  // Opening a pipe without a writer must not block.
  descriptor_ = open_for_reading(path_, size_, O_NONBLOCK);
  struct stat status{};
  if (::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) return;
  ::close(descriptor_);
  throw_user_error("'{}' is a pipe or a device: expected a regular file", path_.string());
}

RandomAccessFile::RandomAccessFile(RandomAccessFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}

RandomAccessFile::~RandomAccessFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void RandomAccessFile::read(std::uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t count = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("read", path_);
    if (count == 0)
      throw_user_error("'{}' ends at byte {}, expected {} more", path_.string(), offset, into.size());
    into = into.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

void RandomAccessFile::read_ahead(std::uint64_t offset, std::uint64_t size) const {
  ::posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(size), POSIX_FADV_WILLNEED);
}

std::filesystem::path find_resource(const std::string& name) {
  std::vector<std::filesystem::path> folders;
  if (const char* folder = std::getenv("CLOOB_SHARE_DIR")) folders.emplace_back(folder);
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    // In the build tree the tests are one folder level away from the program, so both levels are searched.
    for (auto folder = program.parent_path().parent_path(); folder.has_relative_path();
         folder = folder.parent_path()) {
      folders.push_back(folder / "share" / "cloob");
      if (folders.size() >= 3) break;
    }
  }
  std::string searched;
  for (const auto& folder : folders) {
    if (std::filesystem::exists(folder / name, error)) return folder / name;
    searched += fmt::format("{}'{}'", searched.empty() ? "" : ", ", folder.string());
  }
  throw_user_error(
      "'{}' was not found in {}: run tools/setup.sh and rebuild, or set CLOOB_SHARE_DIR to the folder that "
      "contains it",
      name, searched);
}

}  // namespace cloob

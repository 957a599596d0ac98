// Files: whole reads, atomic and durable writes, read-only mappings. Every failure is a UserError that names
// the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace cloob {

/// The whole file. Throws UserError when it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Checks, before long work, that a file can be written there later. Throws a UserError that names the folder
/// when it is missing or may not be written to.
void require_output_folder(const std::filesystem::path& file);

/// Where this program may keep what it can make again: $XDG_CACHE_HOME/cloob, or ~/.cache/cloob; empty where
/// neither variable is set.
std::filesystem::path cache_folder();

/// Creates a folder and its parents; an existing one is fine.
void make_directories(const std::filesystem::path& path);

/// Makes renames and new names in a folder survive a power cut.
void sync_directory(const std::filesystem::path& path);

/// "No such file or directory" for ENOENT, and so on.
std::string describe_errno(int error_number);

/// A file written from start to end. Every short write, a full disk for example, is a UserError.
class OutputFile {
 public:
  /// Creates the file, or empties the one that is there.
  explicit OutputFile(std::filesystem::path path);
  /// Closes without syncing; errors are lost. Call `finish` for what must be kept.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes);
  /// Syncs to the disk and closes.
  void finish();

 private:
  OutputFile(std::filesystem::path path, int flags);
  friend void write_file_atomically(const std::filesystem::path& path,
                                    const std::function<void(OutputFile&)>& write);

  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// Writes a file so that a crash at any moment leaves either the old content or the new one: a temporary file
/// beside it is written, synced and renamed. A link stays, and the file that it names is replaced. Pipes,
/// devices and open files such as /dev/stdout are written to as they are, at their end. Throws UserError; the
/// old file then still stands.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// The same for content that `write` makes piece by piece; it does not call `finish`.
void write_file_atomically(const std::filesystem::path& path, const std::function<void(OutputFile&)>& write);

/// A file that can be read at any offset from any thread.
class RandomAccessFile {
 public:
  explicit RandomAccessFile(std::filesystem::path path);
  ~RandomAccessFile();
  RandomAccessFile(RandomAccessFile&& other) noexcept;
  RandomAccessFile& operator=(RandomAccessFile&&) = delete;

  /// Reads exactly `into.size()` bytes. Throws UserError when the file ends before.
  void read(std::uint64_t offset, std::span<std::byte> into) const;
  /// Asks the system to bring in these bytes, without waiting for them.
  void read_ahead(std::uint64_t offset, std::uint64_t size) const;
  std::uint64_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// A whole file mapped for reading.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

/// A file that comes with the program (the CLIP vocabulary, class names): looked up in $CLOOB_SHARE_DIR, then
/// in ../share/cloob beside the program. Throws UserError that names the places it looked in.
std::filesystem::path find_resource(const std::string& name);

}  // namespace cloob

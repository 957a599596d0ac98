// Files: complete reads, reads at any offset, atomic and durable writes. Every failure is a UserError that
// names the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// Reads the entire file. Throws UserError when it cannot be read.
std::string read_file(const std::filesystem::path& path);
/// Reads a file that a person writes, `what` ("a file of settings"). Throws UserError also for devices and pipes, which
/// may never end, and for files of more than `max_bytes`; neither is read. Refuses what foreign_content.h describes.
std::string read_small_file(const std::filesystem::path& path, std::uint64_t max_bytes,
                            std::string_view what);

/// The lines of a text file without their line breaks (\n or \r\n); a last line break ends the last line.
/// Empty lines count. Throws UserError also for what foreign_content.h describes.
std::vector<std::string> read_lines(const std::filesystem::path& path);
/// The non-empty lines, stripped of surrounding whitespace. Throws UserError when there are none.
std::vector<std::string> read_nonempty_lines(const std::filesystem::path& path);

/// Checks, before a long computation, that a file can be written there later. Throws a UserError that names
/// the folder when it is missing or not writable.
void require_output_folder(const std::filesystem::path& file);

/// Where this program may keep what it can recompute: $XDG_CACHE_HOME/cloob, or ~/.cache/cloob; empty when
/// neither XDG_CACHE_HOME nor HOME is set.
std::filesystem::path cache_folder();

/// Creates a folder and its parents; an existing one is fine.
void make_directories(const std::filesystem::path& path);

/// Makes renames and new entries in a folder survive a power failure.
void sync_directory(const std::filesystem::path& path);

/// "No such file or directory" for ENOENT, and so on.
std::string describe_errno(int error_number);

/// A file written sequentially. Every failed write, on a full disk for example, is a UserError.
class OutputFile {
 public:
  /// Creates the file, or truncates an existing one.
  explicit OutputFile(std::filesystem::path path);
  /// Closes without syncing; errors are lost. Call `finish` for data that must be kept.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes);
  /// Syncs to the disk and closes.
  void finish();

 private:
  friend void write_file_atomically(const std::filesystem::path& path,
                                    const std::function<void(OutputFile&)>& write);
  OutputFile(std::filesystem::path path, int flags);

  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// A file that appears under its name only when it is complete: it is written next to it, as PATH.tmpPID,
/// synced and renamed, so that a crash at any moment leaves either the old content or the new one.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  /// Removes the temporary file unless it was published.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  OutputFile& file() { return file_; }
  /// Gives the file its name, replacing an existing file. Throws UserError.
  void publish();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty once it has been renamed
  OutputFile file_;
};

/// Writes an entire file as AtomicFile does. A symbolic link is kept and its target is replaced. Pipes,
/// devices and open files such as /dev/stdout are appended to directly. Throws UserError; the old file is
/// then unchanged.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// The same for content that `write` produces piece by piece; `write` must not call `finish`.
void write_file_atomically(const std::filesystem::path& path, const std::function<void(OutputFile&)>& write);

/// A file that can be read at any offset from any thread.
class RandomAccessFile {
 public:
  explicit RandomAccessFile(std::filesystem::path path);
  ~RandomAccessFile();
  RandomAccessFile(RandomAccessFile&& other) noexcept;
  RandomAccessFile& operator=(RandomAccessFile&&) = delete;

  /// Reads exactly `into.size()` bytes. Throws UserError when the file ends before that.
  void read(std::uint64_t offset, std::span<std::byte> into) const;
  /// Asks the system to prefetch these bytes, without waiting for them.
  void read_ahead(std::uint64_t offset, std::uint64_t size) const;
  std::uint64_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// Finds a file that is installed with the program (the CLIP vocabulary, class names): in $CLOOB_SHARE_DIR,
/// then in ../share/cloob relative to the program. Throws UserError that names the folders searched.
std::filesystem::path find_resource(const std::string& name);

}  // namespace cloob

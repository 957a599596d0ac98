// Images inside zip archives: YFCC15M is often stored as a hundred thousand archives of a thousand images.
#pragma once

#include <cstddef>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cloob {

/// A file in a zip archive.
struct ZipMember {
  std::filesystem::path archive;
  std::string name;
};

/// "12/345.zip" for "12/345.zip/678.jpg" and for "12/345.zip:678.jpg"; nullopt for a path that does not point
/// into an archive. Looks only at the text.
std::optional<std::string_view> archive_in_path(std::string_view path);

/// Splits either form of the path; nullopt if it names no archive, or if what looks like one is a folder.
std::optional<ZipMember> find_zip_member(const std::filesystem::path& path);

/// Reads members of any number of archives and keeps the most recently used ones open. Thread-safe: an
/// archive is read by one thread at a time.
class ZipFiles {
 public:
  explicit ZipFiles(std::size_t max_open = 64);
  ~ZipFiles();

  /// The decompressed member, with its checksum verified. Throws BadSample: missing_file for the archive or
  /// the member, too_large above kMaxEncodedBytes, unreadable if damaged or encrypted.
  std::vector<std::byte> read(const ZipMember& member) const;
  /// Whether the archive can be opened and has the member.
  bool contains(const ZipMember& member) const;

 private:
  struct Archive;
  using Opened = std::list<std::pair<std::string, std::shared_ptr<Archive>>>;

  std::shared_ptr<Archive> archive(const std::filesystem::path& path) const;

  std::size_t max_open_;
  mutable std::mutex mutex_;  // guards the members below; each archive has its own
  mutable Opened opened_;     // most recently used first
  mutable std::unordered_map<std::string, Opened::iterator> place_;
};

}  // namespace cloob

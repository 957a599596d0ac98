// Images inside zip archives: YFCC15M is often kept as a hundred thousand archives of a thousand pictures.
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

/// "12/345.zip" of "12/345.zip/678.jpg" and of "12/345.zip:678.jpg"; nothing of a path that does not go into
/// an archive. Goes by the text alone.
std::optional<std::string_view> archive_in_path(std::string_view path);

/// Both forms of the path taken apart; nothing where no archive is named, and where what looks like one is a
/// folder.
std::optional<ZipMember> find_zip_member(const std::filesystem::path& path);

/// Reads members of any number of archives, of which those stay open that were read last. Thread-safe: one
/// thread at a time reads from the same archive.
class ZipFiles {
 public:
  explicit ZipFiles(std::size_t most_open = 64);
  ~ZipFiles();

  /// The member, decompressed and its checksum compared. Throws BadSample: missing_file for the archive and
  /// for the member, too_large beyond kMostImageBytes, unreadable for what is damaged or encrypted.
  std::vector<std::byte> read(const ZipMember& member) const;
  /// Whether the archive can be opened and has the member.
  bool contains(const ZipMember& member) const;

 private:
  struct Archive;
  using Opened = std::list<std::pair<std::string, std::shared_ptr<Archive>>>;

  std::shared_ptr<Archive> archive(const std::filesystem::path& path) const;

  std::size_t most_open_;
  mutable std::mutex mutex_;  // of the members below; each archive has its own
  mutable Opened opened_;     // the one that was asked for last comes first
  mutable std::unordered_map<std::string, Opened::iterator> place_;
};

}  // namespace cloob

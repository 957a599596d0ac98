#pragma once

#include <filesystem>
#include <vector>

namespace cloob {

/// Everything in a folder, sorted. Throws UserError when it cannot be listed.
std::vector<std::filesystem::path> paths_in(const std::filesystem::path& folder);

/// A folder that appears under its name only when it is complete: it is filled under a hidden name beside and
/// renamed.
class StagedFolder {
 public:
  /// Creates the hidden folder, and the parents.
  explicit StagedFolder(std::filesystem::path target);
  /// Removes what was not published.
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  const std::filesystem::path& path() const { return staging_; }
  /// Makes the content durable and gives it its name, in place of what has that name. Files must have been
  /// synced.
  void publish();

 private:
  std::filesystem::path target_;
  std::filesystem::path staging_;
};

/// Removes a folder so that a crash does not leave half of it under its name. Throws UserError.
void remove_folder(const std::filesystem::path& folder);

/// Removes what interrupted StagedFolders and remove_folder have left in `parent`.
void remove_leftovers(const std::filesystem::path& parent);

}  // namespace cloob

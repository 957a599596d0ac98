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

/// Gives `content` the name of the folder `target` where file systems cannot exchange two names. At every
/// moment the old folder or the new one has that name, or recover_from_crash gives it back to the old one.
void replace_by_renaming(const std::filesystem::path& content, const std::filesystem::path& target);

/// Removes a folder so that a crash does not leave half of it under its name. Throws UserError.
void remove_folder(const std::filesystem::path& folder);

/// Puts back what an interrupted replacement in `parent` had moved aside, and removes what else interrupted
/// saves and removals have left there. Throws UserError.
void recover_from_crash(const std::filesystem::path& parent);

}  // namespace cloob

// Folders that appear complete or not at all.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

namespace cloob {

/// Paths of all entries of a folder, sorted. Throws UserError when it cannot be listed.
std::vector<std::filesystem::path> paths_in(const std::filesystem::path& folder);

/// Throws UserError if there is something else than an empty folder, or a link to nothing.
void require_new_or_empty(const std::filesystem::path& folder);

/// A folder that appears under its name only when it is complete: it is filled under a hidden name next to
/// it, then renamed.
class StagedFolder {
 public:
  /// Creates the hidden folder and its parents. A link to a folder stands for that folder. Throws UserError.
  explicit StagedFolder(std::filesystem::path target);
  /// Removes the hidden folder unless it was published.
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  const std::filesystem::path& path() const { return staging_; }
  /// Makes the content durable and gives it its name, replacing an existing folder. Files must already be
  /// synced.
  void publish();

 private:
  std::filesystem::path target_;
  std::filesystem::path staging_;
};

/// Lets `write` fill a folder that appears as `folder` when it is complete. Throws UserError, also when
/// `folder` exists and is not empty; nothing that was written is left behind then.
void write_new_folder(const std::filesystem::path& folder,
                      const std::function<void(const std::filesystem::path& partial)>& write);

/// Replaces the folder `target` by `content` on file systems that cannot exchange two names atomically. After
/// a crash at any moment either the old or the new folder has that name, or recover_from_crash restores the
/// old one.
void replace_by_renaming(const std::filesystem::path& content, const std::filesystem::path& target);

/// Renames a folder; an empty folder of the new name is replaced. Throws UserError.
void rename_folder(const std::filesystem::path& from, const std::filesystem::path& to);

/// Removes a folder so that a crash does not leave a partial folder under its name. Throws UserError.
void remove_folder(const std::filesystem::path& folder);

/// Restores what an interrupted replacement in `parent` had moved aside, and removes all other remains of
/// interrupted saves and removals. Throws UserError.
void recover_from_crash(const std::filesystem::path& parent);

}  // namespace cloob

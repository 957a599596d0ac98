#include "checkpoint/staged_folder.h"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSaving = ".saving_";
constexpr std::string_view kRemoving = ".removing_";

fs::path hidden_beside(const fs::path& target, std::string_view prefix) {
  return target.parent_path() / fmt::format("{}{}", prefix, target.filename().string());
}

void rename_folder(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return;
  throw_user_error("cannot rename '{}' to '{}': {}", from.string(), to.string(), describe_errno(errno));
}

}  // namespace

std::vector<fs::path> paths_in(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator item(folder, error), end; !error && item != end; item.increment(error)) {
    paths.push_back(item->path());
  }
  if (error) throw_user_error("cannot list '{}': {}", folder.string(), error.message());
  std::ranges::sort(paths);
  return paths;
}

StagedFolder::StagedFolder(fs::path target)
    : target_(std::move(target)), staging_(hidden_beside(target_, kSaving)) {
  std::error_code ignored;  // what cannot be removed shows when the folder is filled
  fs::remove_all(staging_, ignored);
  make_directories(staging_);
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
}

void StagedFolder::publish() {
  sync_directory(staging_);
  std::error_code error;
  if (fs::exists(target_, error)) {
    // Both names exist at every moment. File systems without that ability get the old folder removed first.
    if (::renameat2(AT_FDCWD, staging_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0) {
      remove_folder(target_);
      rename_folder(staging_, target_);
    }
  } else {
    rename_folder(staging_, target_);
  }
  sync_directory(target_.parent_path());
}

void remove_folder(const fs::path& folder) {
  const fs::path doomed = hidden_beside(folder, kRemoving);
  std::error_code error;
  fs::remove_all(doomed, error);
  rename_folder(folder, doomed);
  fs::remove_all(doomed, error);
  if (error) throw_user_error("cannot remove '{}': {}", doomed.string(), error.message());
}

void remove_leftovers(const fs::path& parent) {
  for (const fs::path& path : paths_in(parent)) {
    const std::string name = path.filename().string();
    if (!name.starts_with(kSaving) && !name.starts_with(kRemoving)) continue;
    std::error_code error;
    fs::remove_all(path, error);
    if (error) throw_user_error("cannot remove '{}': {}", path.string(), error.message());
  }
}

}  // namespace cloob

#include "cloob/base/staged_folder.h"

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
#include "cloob/base/log.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSaving = ".saving_";
constexpr std::string_view kRemoving = ".removing_";    // may be incomplete
constexpr std::string_view kReplacing = ".replacing_";  // complete

fs::path hidden_sibling(const fs::path& target, std::string_view prefix) {
  return target.parent_path() / fmt::format("{}{}", prefix, target.filename().string());
}

// The folder itself is replaced, not a link to it.
fs::path without_link(fs::path target) {
  std::error_code error;
  if (!fs::is_symlink(target, error)) return target;
  fs::path real = fs::canonical(target, error);
  if (error) throw_user_error("'{}' is a link to what does not exist: remove it", target.string());
  return real;
}

}  // namespace

void require_new_or_empty(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(without_link(folder), error)) return;
  if (!fs::is_directory(folder, error))
    throw_user_error("'{}' is a file: choose a new folder", folder.string());
  if (!fs::is_empty(folder, error)) {
    throw_user_error("'{}' exists and is not empty: choose a new folder, or remove it first",
                     folder.string());
  }
}

void rename_folder(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return;
  throw_user_error("cannot rename '{}' to '{}': {}", from.string(), to.string(), describe_errno(errno));
}

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
    : target_(without_link(std::move(target))), staging_(hidden_sibling(target_, kSaving)) {
  std::error_code ignored;  // a failure to remove shows up when the folder is filled
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
  if (!fs::exists(target_, error)) {
    rename_folder(staging_, target_);
  } else if (::renameat2(AT_FDCWD, staging_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0) {
    replace_by_renaming(staging_, target_);
  }
  sync_directory(target_.parent_path());
}

void write_new_folder(const fs::path& folder, const std::function<void(const fs::path& partial)>& write) {
  if (folder.empty()) throw_user_error("the path of the output folder is empty");
  const fs::path target =
      (fs::absolute(folder).lexically_normal() / "").parent_path();  // without a trailing slash
  require_new_or_empty(target);
  StagedFolder staged(target);
  write(staged.path());
  staged.publish();
}

void replace_by_renaming(const fs::path& content, const fs::path& target) {
  const fs::path old = hidden_sibling(target, kReplacing);
  std::error_code ignored;
  fs::remove_all(old, ignored);
  rename_folder(target, old);
  try {
    rename_folder(content, target);
  } catch (const UserError&) {
    fs::rename(old, target, ignored);
    throw;
  }
  sync_directory(target.parent_path());
  // The new folder is in place; a failure to remove the old one is left to recover_from_crash.
  try {
    remove_folder(old);
  } catch (const UserError& error) {
    log_warning("files", "{}", error.what());
  }
}

void remove_folder(const fs::path& folder) {
  const fs::path hidden = hidden_sibling(folder, kRemoving);
  std::error_code error;
  fs::remove_all(hidden, error);
  rename_folder(folder, hidden);
  fs::remove_all(hidden, error);
  if (error) throw_user_error("cannot remove '{}': {}", hidden.string(), error.message());
}

void recover_from_crash(const fs::path& parent) {
  for (const fs::path& path : paths_in(parent)) {
    const std::string name = path.filename().string();
    const bool was_replaced = name.starts_with(kReplacing);
    if (!was_replaced && !name.starts_with(kSaving) && !name.starts_with(kRemoving)) continue;
    std::error_code error;
    if (was_replaced && !fs::exists(parent / name.substr(kReplacing.size()), error)) {
      rename_folder(path, parent / name.substr(kReplacing.size()));
      sync_directory(parent);
      continue;
    }
    fs::remove_all(path, error);
    if (error) throw_user_error("cannot remove '{}': {}", path.string(), error.message());
  }
}

}  // namespace cloob

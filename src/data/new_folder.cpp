#include "data/new_folder.h"

#include <fmt/core.h>

#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/files.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

void require_room_for_a_folder(const fs::path& place) {
  std::error_code error;
  if (!fs::exists(place, error)) return;
  if (!fs::is_directory(place, error)) throw_user_error("'{}' is a file: name a new folder", place.string());
  if (!fs::is_empty(place, error)) {
    throw_user_error("'{}' is not empty: name a new folder, or remove it first", place.string());
  }
}

// A new folder beside `place` under a name that nothing has.
fs::path make_folder_beside(const fs::path& place) {
  make_directories(place.parent_path());
  for (int number = 0;; ++number) {
    const fs::path folder = fmt::format("{}.partial{}", place.string(), number);
    std::error_code error;
    if (fs::exists(fs::symlink_status(folder, error))) continue;
    if (fs::create_directory(folder, error)) return folder;
    if (error) throw_user_error("cannot create the folder '{}': {}", folder.string(), error.message());
  }
}

}  // namespace

void write_new_folder(const fs::path& folder, const std::function<void(const fs::path& partial)>& write) {
  if (folder.empty()) throw_user_error("the folder to write to has no name");
  const fs::path place = (fs::absolute(folder).lexically_normal() / "").parent_path();  // no slash at its end
  require_room_for_a_folder(place);
  const fs::path partial = make_folder_beside(place);
  try {
    write(partial);
    std::error_code error;
    fs::rename(partial, place, error);
    if (error) {
      throw_user_error("cannot move '{}' to '{}': {}", partial.string(), place.string(), error.message());
    }
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(partial, ignored);
    throw;
  }
}

}  // namespace cloob

#include "cloob/run/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/report/episode_picture.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw_user_error("cannot remove '{}': {}", path.string(), error.message());
}

}  // namespace

RunDirectory::RunDirectory(fs::path path) : path_(std::move(path)) {
  std::error_code ignored;
  is_new_ = !fs::exists(path_, ignored);
  make_directories(path_);
  lock_ = ::open(lock_file().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) throw_user_error("cannot write to '{}': {}", path_.string(), describe_errno(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
  if (errno == EWOULDBLOCK) {
    ::close(lock_);
    throw_user_error("another process is training in '{}': choose another folder with --run-dir",
                     path_.string());
  }
  // Some network file systems do not support locks; running without this protection is better than failing.
  log_warning("train", "'{}' cannot be locked ({}): do not start a second run in it", path_.string(),
              describe_errno(errno));
}

RunDirectory::~RunDirectory() {
  std::error_code ignored;
  if (is_new_ && is_present() && std::distance(fs::directory_iterator(path_, ignored), {}) == 1) {
    fs::remove(lock_file(), ignored);
    fs::remove(path_, ignored);
  }
  ::close(lock_);
}

bool RunDirectory::is_present() const {
  struct stat locked{}, present{};
  if (::fstat(lock_, &locked) != 0) return true;  // cannot be known
  if (::stat(lock_file().c_str(), &present) != 0)
    return errno != ENOENT && errno != ENOTDIR;  // a network file system may fail for a while
  return present.st_ino == locked.st_ino && present.st_dev == locked.st_dev;
}

void RunDirectory::require_present() const {
  if (is_present()) return;
  throw_user_error("the run folder '{}' was removed, renamed or replaced while the run was writing to it",
                   path_.string());
}

bool RunDirectory::contains_run() const {
  std::error_code ignored;
  const std::array written = {config_file(), metrics_file(), evaluations_file(),
                              tensorboard(), data_report(),  contact_sheet(),
                              log(),         checkpoints()};
  return std::ranges::any_of(written, [&](const fs::path& file) { return fs::exists(file, ignored); });
}

void RunDirectory::remove_measurements() const {
  for (const fs::path& file :
       {metrics_file(), evaluations_file(), tensorboard(), data_report(), episodes_path(path_), trace()})
    remove_tree(file);
}

void RunDirectory::remove_run() const {
  remove_measurements();
  for (const fs::path& file : {config_file(), contact_sheet(), log(), checkpoints()}) remove_tree(file);
}

}  // namespace cloob

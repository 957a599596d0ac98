#include "cloob/train/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"

namespace cloob {
namespace {

constexpr std::array kWrittenByARun = {"config.yaml", "metrics.jsonl", "tensorboard", "first_batch.png",
                                       "checkpoints"};

}  // namespace

bool RunDirectory::holds_a_run(const std::filesystem::path& path) {
  std::error_code ignored;
  for (const char* name : kWrittenByARun) {
    if (std::filesystem::exists(path / name, ignored)) return true;
  }
  return false;
}

RunDirectory::RunDirectory(std::filesystem::path path, ExistingRun existing) : path_(std::move(path)) {
  if (existing == ExistingRun::refuse && holds_a_run(path_)) {
    throw_user_error("'{}' already holds a run: continue it with --resume auto, choose another folder with --run-dir, "
                     "or replace it with --overwrite", path_.string());
  }
  make_directories(path_);
  const auto lock_file = path_ / "run.lock";
  lock_ = ::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) throw_user_error("cannot write into '{}': {}", path_.string(), describe_errno(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw_user_error("another process is training in '{}': choose another folder with --run-dir", path_.string());
  }
  if (existing == ExistingRun::overwrite) {
    for (const char* name : kWrittenByARun) std::filesystem::remove_all(path_ / name);
  }
}

RunDirectory::~RunDirectory() { ::close(lock_); }

}  // namespace cloob

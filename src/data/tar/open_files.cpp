#include "data/tar/open_files.h"

#include <utility>

namespace cloob {

OpenFiles::OpenFiles(std::vector<std::filesystem::path> paths, std::size_t max_open)
    : paths_(std::move(paths)), max_open_(max_open), files_(paths_.size()) {}

std::shared_ptr<const RandomAccessFile> OpenFiles::open(std::size_t number) const {
  {
    const std::lock_guard lock(mutex_);
    if (files_[number]) return files_[number];
  }
  // Opened without the lock, because a network file system may be slow.
  auto file = std::make_shared<const RandomAccessFile>(paths_[number]);
  const std::lock_guard lock(mutex_);
  if (files_[number]) return files_[number];
  if (opened_.size() == max_open_) {
    files_[opened_.front()].reset();
    opened_.pop_front();
  }
  opened_.push_back(number);
  files_[number] = file;
  return file;
}

}  // namespace cloob

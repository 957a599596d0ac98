#include "data/open_files.h"

#include <utility>

namespace cloob {

OpenFiles::OpenFiles(std::vector<std::filesystem::path> paths, std::size_t most_open)
    : paths_(std::move(paths)), most_open_(most_open), files_(paths_.size()) {}

std::shared_ptr<const RandomAccessFile> OpenFiles::open(std::size_t number) const {
  {
    const std::lock_guard lock(mutex_);
    if (files_[number]) return files_[number];
  }
  // Opened without the lock, because a network file system may take its time.
  auto file = std::make_shared<const RandomAccessFile>(paths_[number]);
  const std::lock_guard lock(mutex_);
  if (files_[number]) return files_[number];
  if (opened_.size() == most_open_) {
    files_[opened_.front()].reset();
    opened_.pop_front();
  }
  opened_.push_back(number);
  files_[number] = file;
  return file;
}

}  // namespace cloob

#pragma once

#include <cstddef>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "cloob/base/files.h"

namespace cloob {

/// Files that are opened on first use and closed when too many are open: a data set may have more shards than
/// a process may have open files. Thread-safe.
class OpenFiles {
 public:
  OpenFiles(std::vector<std::filesystem::path> paths, std::size_t max_open);

  /// The file stays open as long as the pointer is held. Throws UserError.
  std::shared_ptr<const RandomAccessFile> open(std::size_t number) const;
  const std::vector<std::filesystem::path>& paths() const { return paths_; }

 private:
  std::vector<std::filesystem::path> paths_;
  std::size_t max_open_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const RandomAccessFile>> files_;
  mutable std::deque<std::size_t> opened_;  // in the order of opening
};

}  // namespace cloob

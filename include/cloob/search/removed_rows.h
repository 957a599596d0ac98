// Entries of an index that were removed: they stay in its files, and no search finds them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

namespace cloob {

struct IndexHeader;

/// The removed rows of an index, a bit each.
class RemovedRows {
 public:
  /// None.
  RemovedRows() = default;
  /// Throws UserError if the file does not hold some of `count` rows, in order and each once. Its size was checked before.
  RemovedRows(const std::filesystem::path& file, std::int64_t count);

  bool contains(std::int64_t row) const {
    return !bits_.empty() && (bits_[static_cast<std::size_t>(row) / kBits] >> (row % kBits) & 1) != 0;
  }
  /// In order.
  const std::vector<std::int64_t>& rows() const { return rows_; }

 private:
  static constexpr std::int64_t kBits = 64;
  std::vector<std::int64_t> rows_ = {};
  std::vector<std::uint64_t> bits_ = {};
};

/// Keeps other processes from changing an index, until it is destroyed. They may search it.
class IndexLock {
 public:
  /// Throws UserError if another process is changing the index, or if there is none.
  explicit IndexLock(std::filesystem::path folder);
  ~IndexLock();
  IndexLock(const IndexLock&) = delete;
  IndexLock& operator=(const IndexLock&) = delete;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  int descriptor_ = -1;
};

/// Removes entries, in any order, some of which may be removed already: all or, after a crash, none. `change` may change the rest
/// of the header with it. Returns the new header. An index that is open stays as it is. Throws UserError.
IndexHeader remove_rows(const IndexLock& lock, const std::vector<std::int64_t>& rows,
                        const std::function<void(IndexHeader&)>& change = {});

}  // namespace cloob

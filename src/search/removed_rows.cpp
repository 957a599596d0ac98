#include "cloob/search/removed_rows.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <span>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/mapped_file.h"
#include "cloob/search/index_format.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

// A folder may be replaced by another one, with other rows, while it is being locked.
bool is_at(int descriptor, const fs::path& path) {
  struct stat locked{}, present{};
  return ::fstat(descriptor, &locked) == 0 && ::stat(path.c_str(), &present) == 0 &&
         locked.st_dev == present.st_dev && locked.st_ino == present.st_ino;
}

}  // namespace

RemovedRows::RemovedRows(const fs::path& file, std::int64_t count) {
  const MappedFile mapped(file);
  const auto rows = mapped.as<std::int64_t>();
  const bool is_ordered = std::ranges::adjacent_find(rows, std::greater_equal()) == rows.end();
  if (!is_ordered || (!rows.empty() && (rows.front() < 0 || rows.back() >= count)))
    throw_user_error("'{}' is damaged: it does not name some of {} entries in order: index again",
                     file.string(), count);
  rows_.assign(rows.begin(), rows.end());
  bits_.assign(static_cast<std::size_t>(count / kBits + 1), 0);
  for (const std::int64_t row : rows)
    bits_[static_cast<std::size_t>(row) / kBits] |= std::uint64_t{1} << (row % kBits);
}

IndexLock::IndexLock(fs::path folder) : folder_(std::move(folder)) {
  read_index_header(folder_);
  do {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor_ < 0) throw_user_error("cannot open '{}': {}", folder_.string(), describe_errno(errno));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) continue;
    if (errno == EWOULDBLOCK) {
      ::close(descriptor_);
      throw_user_error("another command is changing '{}': wait until it is done", folder_.string());
    }
    log_warning("search", "'{}' cannot be locked ({}): do not change it with two commands at once",
                folder_.string(), describe_errno(errno));
    return;
  } while (!is_at(descriptor_, folder_));
}

IndexLock::~IndexLock() { ::close(descriptor_); }

IndexHeader remove_rows(const IndexLock& lock, const std::vector<std::int64_t>& rows,
                        const std::function<void(IndexHeader&)>& change) {
  const fs::path& folder = lock.folder();
  IndexHeader header = read_index_header(folder);
  const fs::path old_file = folder / removed_file(header);
  const RemovedRows old = header.removed > 0 ? RemovedRows(old_file, header.count) : RemovedRows();
  std::vector<std::int64_t> sorted = rows, all;
  std::ranges::sort(sorted);
  CLOOB_CHECK(sorted.empty() || (sorted.front() >= 0 && sorted.back() < header.count), "rows of {}",
              header.count);
  std::ranges::set_union(old.rows(), sorted, std::back_inserter(all));
  all.erase(std::ranges::unique(all).begin(), all.end());
  header.removed = std::ssize(all);
  if (change) change(header);
  // The file has a name of its own, so that index.json, which is written last, goes with one of the two.
  const fs::path new_file = folder / removed_file(header);
  const bool is_new = new_file != old_file;
  if (is_new) {
    write_file_atomically(new_file, [&](OutputFile& file) { file.write(std::as_bytes(std::span(all))); });
  }
  write_index_header(folder, header);
  std::error_code ignored;
  if (is_new) fs::remove(old_file, ignored);
  return header;
}

}  // namespace cloob

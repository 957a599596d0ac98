// Indexes that are made of the entries of others.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "cloob/search/index_writer.h"
#include "cloob/search/removed_rows.h"
#include "cloob/search/search_index.h"

namespace cloob {

/// Called with the number of entries that were copied.
using CopyProgress = std::function<void(std::int64_t entries_done)>;

struct RewriteOptions {
  std::int64_t threads = 0;
  StopRequested stop_requested = {};
  CopyProgress progress = {};
};

/// Some entries of an index, in this order, as they were added to it. They may be removed ones.
IndexRows read_rows(const SearchIndex& index, std::span<const std::int64_t> rows);

/// Adds all entries to an index that were not removed, block by block.
void copy_entries(const SearchIndex& from, IndexWriter& to, const RewriteOptions& options);

/// How an index is organized, for another one with about as many entries.
IndexLayout layout_of(const IndexHeader& header, const RewriteOptions& options);

/// Writes an index anew without its removed entries; the others get new numbers. Throws UserError if none would be left, and
/// IndexingStopped; the index is then as it was.
IndexHeader compact_memory(const IndexLock& lock, const RewriteOptions& options);

/// Writes an index anew with more entries, which `add` appends, and without its removed ones. `header`: what is known of the new
/// entries; `add` may count skipped samples in its last argument. Throws like compact_memory.
IndexHeader extend_memory(const IndexLock& lock, const IndexHeader& header, const RewriteOptions& options,
                          const std::function<void(IndexWriter&, IndexHeader&)>& add);

}  // namespace cloob

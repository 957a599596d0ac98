#include "cloob/memory/rewrite_memory.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/tiles.h"
#include "cloob/search/feature_rows.h"

namespace cloob {
namespace {

constexpr std::int64_t kBlockRows = 4096;

at::Tensor features_of(const FeatureRows& all, std::span<const std::int64_t> rows) {
  std::vector<at::Tensor> runs;
  for (std::size_t first = 0; first < rows.size();) {
    std::size_t end = first + 1;
    while (end < rows.size() && rows[end] == rows[end - 1] + 1) ++end;
    runs.push_back(to_float(all.part(rows[first], static_cast<std::int64_t>(end - first))));
    first = end;
  }
  return at::cat(runs);
}

std::optional<FeatureCheck> joined(const std::optional<FeatureCheck>& a,
                                   const std::optional<FeatureCheck>& b) {
  if (!a || !b) return a ? a : b;
  return FeatureCheck{.images = a->images + b->images,
                      .captions = a->captions + b->captions,
                      .lowest_cosine = std::min(a->lowest_cosine, b->lowest_cosine)};
}

}  // namespace

IndexRows read_rows(const SearchIndex& index, std::span<const std::int64_t> rows) {
  IndexRows read;
  for (const auto& [side, unused] : index.header().sides)
    read.features_ND[side] = features_of(index.features(side), rows);
  for (const std::int64_t row : rows) {
    read.entries.push_back(index.entry(row));
    read.content_hashes.push_back(index.content_hash(row));
    if (std::optional<std::string> thumbnail = index.thumbnail(row))
      read.thumbnails.push_back(std::move(*thumbnail));
  }
  return read;
}

void copy_entries(const SearchIndex& from, IndexWriter& to, const RewriteOptions& options) {
  for_each_piece(from.size(), kBlockRows, [&](std::int64_t first, std::int64_t count) {
    if (options.stop_requested && options.stop_requested()) throw IndexingStopped();
    std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
    std::iota(rows.begin(), rows.end(), first);
    std::erase_if(rows, [&](std::int64_t row) { return from.is_removed(row); });
    if (!rows.empty()) to.add(read_rows(from, rows));
    if (options.progress) options.progress(to.count());
  });
}

IndexLayout layout_of(const IndexHeader& header, const RewriteOptions& options) {
  IndexLayout layout{.kind = header.kind, .threads = options.threads};
  for (const auto& [side, shape] : header.sides) {
    if (shape.ivf && shape.ivf->lists != default_lists(header.count)) layout.lists = shape.ivf->lists;
    if (shape.ivfpq) {
      if (shape.ivfpq->lists != default_lists(header.count)) layout.lists = shape.ivfpq->lists;
      layout.code_bytes = shape.ivfpq->code_bytes;
    }
    if (shape.hnsw) layout.links = shape.hnsw->links;
  }
  return layout;
}

IndexHeader compact_memory(const IndexLock& lock, const RewriteOptions& options) {
  const SearchIndex index(lock.folder());
  if (index.alive() == 0) {
    throw_user_error("'{}' has only removed entries, so that nothing would be left of it: remove the folder",
                     lock.folder().string());
  }
  IndexWriter writer(lock.folder(), index.header().dims, index.header().has_thumbnails, index.header().type);
  copy_entries(index, writer, options);
  return writer.finish(index.header(), layout_of(index.header(), options), options.stop_requested);
}

IndexHeader extend_memory(const IndexLock& lock, const IndexHeader& added, const RewriteOptions& options,
                          const std::function<void(IndexWriter&, IndexHeader&)>& add) {
  const SearchIndex index(lock.folder());
  IndexHeader header = index.header();
  IndexWriter writer(lock.folder(), header.dims, header.has_thumbnails, header.type);
  copy_entries(index, writer, options);
  const std::int64_t old_count = writer.count();
  add(writer, header);
  for (Deduplication& each : header.deduplicated) each.added_since += writer.count() - old_count;
  header.sources.insert(header.sources.end(), added.sources.begin(), added.sources.end());
  header.is_verified = header.is_verified && added.is_verified;
  header.check = joined(header.check, added.check);
  return writer.finish(header, layout_of(header, options), options.stop_requested);
}

}  // namespace cloob

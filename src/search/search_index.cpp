#include "cloob/search/search_index.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/parallel.h"
#include "cloob/base/random.h"
#include "search/hnsw.h"
#include "search/ivf.h"
#include "search/ivfpq.h"

namespace cloob {
namespace {

// Here, so that no use goes without.
void warn_unless_verified(const IndexHeader& header, const std::filesystem::path& folder) {
  if (header.is_verified || !header.model) return;
  log_warning("search", "'{}' is unverified: its features, or some of them, are only said to be of {}",
              folder.string(), describe(*header.model));
}

}  // namespace

std::int64_t default_rerank(std::int64_t k) {
  constexpr std::int64_t kLeast = 200, kPerResult = 4;
  return std::max(kLeast, kPerResult * k);
}

struct SearchIndex::SideFiles {
  MappedFile features;
  std::optional<Ivf> ivf = std::nullopt;
  std::optional<Ivfpq> ivfpq = std::nullopt;
  std::optional<Hnsw> hnsw = std::nullopt;
};

namespace {

// Empty if it cannot be read.
std::string description_in(const std::filesystem::path& folder) {
  try {
    return read_small_file(folder / kIndexFile, kMaxIndexFile, "the description of an index");
  } catch (const UserError&) {
    return "";
  }
}

FeatureRows features_in(const MappedFile& file, const IndexHeader& header) {
  return {file.bytes().data(), header.count, header.dims, header.type};
}

}  // namespace

// A command may replace the index while its files are opened: then those of two moments would be mixed.
SearchIndex::SearchIndex(std::filesystem::path folder, std::int64_t effort) : folder_(std::move(folder)) {
  constexpr int kAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    description_ = description_in(folder_);
    const auto has_changed = [&] { return description_in(folder_) != description_; };
    try {
      open(effort);
      if (!has_changed()) break;
    } catch (const UserError&) {
      if (!has_changed()) throw;
    }
    if (attempt == kAttempts)
      throw_user_error("'{}' is changed again and again while it is opened: wait until that is done",
                       folder_.string());
  }
  warn_unless_verified(header_, folder_);
}

void SearchIndex::open(std::int64_t effort) {
  header_ = read_index_header(folder_);
  entries_ = MappedFile(folder_ / "entries.jsonl");
  entry_offsets_ = MappedFile(folder_ / "entries.offsets");
  key_hashes_ = MappedFile(folder_ / "keys.hashes");
  content_hashes_ = MappedFile(folder_ / "contents.hashes");
  removed_ =
      header_.removed > 0 ? RemovedRows(folder_ / removed_file(header_), header_.count) : RemovedRows();
  thumbnails_ = header_.has_thumbnails ? MappedFile(folder_ / "thumbnails.jpg") : MappedFile();
  thumbnail_offsets_ = header_.has_thumbnails ? MappedFile(folder_ / "thumbnails.offsets") : MappedFile();
  sides_.clear();
  for (const auto& [side, shape] : header_.sides) {
    const std::string name(enum_name(side));
    auto files = std::make_unique<SideFiles>(MappedFile(folder_ / (name + ".features")));
    const FeatureRows rows = features_in(files->features, header_);
    if (shape.ivf) files->ivf.emplace(folder_ / (name + ".ivf"), *shape.ivf, rows);
    if (shape.ivfpq) files->ivfpq.emplace(folder_ / (name + ".ivfpq"), *shape.ivfpq, rows);
    if (shape.hnsw) files->hnsw.emplace(folder_ / (name + ".hnsw"), *shape.hnsw, rows, effort);
    sides_[side] = std::move(files);
  }
}

SearchIndex::~SearchIndex() = default;

FeatureRows SearchIndex::features(Side side) const {
  if (!has(side)) {
    throw_user_error("'{}' has no features of {}s{}", folder_.string(), enum_name(side),
                     side == Side::text ? ": index with --texts, from data that has captions" : "");
  }
  return features_in(sides_.at(side)->features, header_);
}

std::vector<std::vector<Neighbor>> SearchIndex::search(const PaddedQueries& queries, Side side,
                                                       std::int64_t k, const SearchOptions& options) const {
  const FeatureRows rows = features(side);
  const SideFiles& files = *sides_.at(side);
  const std::int64_t wanted = std::min(k, alive());
  if (wanted == 0) return std::vector<std::vector<Neighbor>>(static_cast<std::size_t>(queries.count()));
  // A graph gives up when it has no more candidates, and codes save nothing when most rows are read anyway; what asks for much of
  // an index is searched in full.
  constexpr std::int64_t kLargestPart = 4;
  const bool asks_for_much = wanted > rows.count / kLargestPart;
  if (!files.ivf && ((!files.hnsw && !files.ivfpq) || asks_for_much))
    return exact_search(queries, rows, wanted, options.threads, removed_);
  std::vector<std::vector<Neighbor>> results(static_cast<std::size_t>(queries.count()));
  parallel_for(queries.count(), resolve_threads(options.threads), [&](std::int64_t q) {
    std::vector<Neighbor>& result = results[static_cast<std::size_t>(q)];
    if (files.ivf) {
      const std::int64_t probes = options.probes.value_or(header_.sides.at(side).ivf->probes);
      result = files.ivf->search(queries, q, wanted, probes, removed_);
    } else if (files.ivfpq) {
      const std::int64_t probes = options.probes.value_or(header_.sides.at(side).ivfpq->probes);
      result = files.ivfpq->search(queries, q, wanted, probes,
                                   options.rerank.value_or(default_rerank(wanted)), removed_);
    } else {
      result = files.hnsw->search(queries.query(q), wanted, removed_);
    }
  });
  return results;
}

std::string_view SearchIndex::slice_of(const MappedFile& content, const MappedFile& offsets, std::int64_t row,
                                       const char* name) const {
  CLOOB_CHECK(row >= 0 && row < size(), "entry {} of {}", row, size());
  const auto numbers = offsets.as<std::int64_t>();
  const std::int64_t begin = numbers[static_cast<std::size_t>(row)];
  const std::int64_t end = numbers[static_cast<std::size_t>(row) + 1];
  if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > content.size()) {
    throw_user_error("'{}' is damaged: entry {} is not within its file: index again",
                     (folder_ / name).string(), row);
  }
  return {reinterpret_cast<const char*>(content.bytes().data()) + begin,
          static_cast<std::size_t>(end - begin)};
}

IndexEntry SearchIndex::entry(std::int64_t row) const {
  constexpr const char* kName = "entries.offsets";
  try {
    return entry_from_line(std::string(slice_of(entries_, entry_offsets_, row, kName)));
  } catch (const JsonError& error) {
    throw_user_error("'{}', line {}, {}: index again", (folder_ / "entries.jsonl").string(), row + 1,
                     error.what());
  }
}

std::optional<std::string> SearchIndex::thumbnail(std::int64_t row) const {
  if (!header_.has_thumbnails) return std::nullopt;
  return std::string(slice_of(thumbnails_, thumbnail_offsets_, row, "thumbnails.offsets"));
}

std::vector<std::int64_t> SearchIndex::find_key(std::string_view key) const {
  return find_keys({std::string(key)}).front();
}

std::vector<std::vector<std::int64_t>> SearchIndex::find_keys(
    const std::vector<std::string>& searched) const {
  std::vector<std::string> keys;
  for (const std::string& key : searched) keys.push_back(as_stored(key));
  std::unordered_multimap<std::uint64_t, std::size_t> wanted;
  for (std::size_t i = 0; i < keys.size(); ++i) wanted.emplace(hash_of_key(keys[i]), i);
  std::vector<std::vector<std::int64_t>> rows(keys.size());
  const auto hashes = key_hashes_.as<std::uint64_t>();
  for (std::int64_t row = 0; row < size(); ++row) {
    const auto [first, last] = wanted.equal_range(hashes[static_cast<std::size_t>(row)]);
    if (first == last || is_removed(row)) continue;
    const std::string key = entry(row).key;
    for (auto found = first; found != last; ++found) {
      if (keys[found->second] == key) rows[found->second].push_back(row);
    }
  }
  return rows;
}

std::uint64_t SearchIndex::key_hash(std::int64_t row) const {
  CLOOB_CHECK(row >= 0 && row < size(), "entry {} of {}", row, size());
  return key_hashes_.as<std::uint64_t>()[static_cast<std::size_t>(row)];
}

std::uint64_t SearchIndex::hash_of_key(std::string_view key) { return hash_text(as_stored(key), 0); }

std::uint64_t SearchIndex::content_hash(std::int64_t row) const {
  CLOOB_CHECK(row >= 0 && row < size(), "entry {} of {}", row, size());
  return content_hashes_.as<std::uint64_t>()[static_cast<std::size_t>(row)];
}

std::vector<std::vector<std::int64_t>> SearchIndex::copies_of(const std::vector<std::int64_t>& rows) const {
  std::unordered_map<std::uint64_t, std::vector<std::int64_t>> copies;
  for (const std::int64_t row : rows) copies[content_hash(row)];
  const auto hashes = content_hashes_.as<std::uint64_t>();
  for (std::size_t row = 0; row < hashes.size(); ++row) {
    if (const auto found = copies.find(hashes[row]);
        found != copies.end() && !is_removed(static_cast<std::int64_t>(row)))
      found->second.push_back(static_cast<std::int64_t>(row));
  }
  std::vector<std::vector<std::int64_t>> result;
  for (const std::int64_t row : rows) result.push_back(copies.at(content_hash(row)));
  return result;
}

namespace {

// The first of the neighbors with each content.
std::vector<SearchResult> distinct(const SearchIndex& index, const std::vector<Neighbor>& neighbors,
                                   std::optional<std::int64_t> leave_out) {
  std::unordered_map<std::uint64_t, bool> seen;
  if (leave_out) seen[index.content_hash(*leave_out)] = true;
  std::vector<SearchResult> results;
  for (const Neighbor& neighbor : neighbors) {
    if (!seen.emplace(index.content_hash(neighbor.row), true).second) continue;
    results.push_back({.row = neighbor.row, .score = neighbor.score});
  }
  return results;
}

}  // namespace

SearchAnswer search_distinct(const SearchIndex& index, const PaddedQueries& query, Side side, std::int64_t k,
                             std::optional<std::int64_t> leave_out, const SearchOptions& options) {
  constexpr std::int64_t kMore = 4;
  SearchAnswer answer;
  std::int64_t wanted = std::min(index.alive(), k + (leave_out ? 1 : 0));
  for (;; wanted = std::min(index.alive(), wanted * kMore)) {
    answer.results = distinct(index, index.search(query, side, wanted, options).front(), leave_out);
    if (std::ssize(answer.results) >= k || wanted == index.alive()) break;
  }
  answer.is_all = std::ssize(answer.results) < k;
  answer.results.resize(std::min(answer.results.size(), static_cast<std::size_t>(k)));
  std::vector<std::int64_t> rows;
  for (const SearchResult& result : answer.results) rows.push_back(result.row);
  const auto copies = index.copies_of(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const std::int64_t copy : copies[i]) {
      if (copy != rows[i]) answer.results[i].copies.push_back(copy);
    }
  }
  return answer;
}

}  // namespace cloob

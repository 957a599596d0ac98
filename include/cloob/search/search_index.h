// An index, opened for searches. Features, entries and lists are mapped: opening takes no memory in proportion to them, except
// that a graph is loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/base/mapped_file.h"
#include "cloob/search/feature_rows.h"
#include "cloob/search/index_entry.h"
#include "cloob/search/index_format.h"
#include "cloob/search/removed_rows.h"

namespace cloob {

class Ivf;
class Ivfpq;
class Hnsw;

/// Candidates that a search of a graph keeps, unless it is told otherwise.
inline constexpr std::int64_t kDefaultEffort = 256;
/// Entries whose features are compared with the query after their codes.
std::int64_t default_rerank(std::int64_t k);

struct SearchOptions {
  std::optional<std::int64_t> probes =
      std::nullopt;  ///< lists of an inverted file; unset: those of the index
  std::optional<std::int64_t> rerank = std::nullopt;  ///< for codes; unset: default_rerank
  std::int64_t threads = 0;                           ///< 0: all processors
};

/// Thread-safe.
class SearchIndex {
 public:
  /// Throws UserError of one line for anything that is not a complete index of this format.
  /// `effort`: candidates that a search of a graph keeps.
  explicit SearchIndex(std::filesystem::path folder, std::int64_t effort = kDefaultEffort);
  ~SearchIndex();

  const IndexHeader& header() const { return header_; }
  /// The file from which the header was read.
  const std::string& description() const { return description_; }
  const std::filesystem::path& folder() const { return folder_; }
  /// Entries, including those that were removed.
  std::int64_t size() const { return header_.count; }
  /// Entries that a search can find.
  std::int64_t alive() const { return header_.count - header_.removed; }
  bool is_removed(std::int64_t row) const { return removed_.contains(row); }
  const RemovedRows& removed() const { return removed_; }
  bool has(Side side) const { return header_.sides.contains(side); }
  /// The mapped features. Throws UserError if the index does not have this side.
  FeatureRows features(Side side) const;

  /// For each query the k best entries that were not removed, all if there are fewer; the best first. Approximate searches may miss some, but the
  /// scores are those of an exact one.
  std::vector<std::vector<Neighbor>> search(const PaddedQueries& queries, Side side, std::int64_t k,
                                            const SearchOptions& options = {}) const;

  /// Throws UserError if it is damaged.
  IndexEntry entry(std::int64_t row) const;
  /// The JPEG file; nullopt if the index has none.
  std::optional<std::string> thumbnail(std::int64_t row) const;
  /// The entries with this key, without those that were removed.
  std::vector<std::int64_t> find_key(std::string_view key) const;
  /// The same for each of many keys, in one pass.
  std::vector<std::vector<std::int64_t>> find_keys(const std::vector<std::string>& keys) const;
  /// Of its key; equal to that of another key in no case that is to be expected.
  std::uint64_t key_hash(std::int64_t row) const;
  static std::uint64_t hash_of_key(std::string_view key);
  /// Equal hashes: the image files are the same.
  std::uint64_t content_hash(std::int64_t row) const;
  /// For each row, all entries with its content that were not removed, in order; itself included.
  std::vector<std::vector<std::int64_t>> copies_of(const std::vector<std::int64_t>& rows) const;

 private:
  struct SideFiles;
  void open(std::int64_t effort);
  std::string_view slice_of(const MappedFile& content, const MappedFile& offsets, std::int64_t row,
                            const char* name) const;

  std::filesystem::path folder_;
  std::string description_;
  IndexHeader header_;
  RemovedRows removed_;
  std::map<Side, std::unique_ptr<SideFiles>> sides_;
  MappedFile entries_, entry_offsets_, key_hashes_, content_hashes_, thumbnails_, thumbnail_offsets_;
};

/// An entry and its copies, which are shown as one.
struct SearchResult {
  std::int64_t row = 0;
  float score = 0;
  std::vector<std::int64_t> copies = {};  ///< other entries with the same content
};

struct SearchAnswer {
  std::vector<SearchResult> results;
  /// Whether there are no more: fewer different entries than were asked for.
  bool is_all = false;
};

/// The k best entries with different content, the best first. The copies of one image count once. `leave_out`: this entry and
/// its copies are no results.
SearchAnswer search_distinct(const SearchIndex& index, const PaddedQueries& query, Side side, std::int64_t k,
                             std::optional<std::int64_t> leave_out, const SearchOptions& options = {});

}  // namespace cloob

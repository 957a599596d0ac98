// How fast indexes are built and searched, with synthetic features.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cloob/search/index_writer.h"
#include "cloob/search/search_index.h"

namespace cloob {

struct IndexBenchmark {
  std::int64_t count = 100'000;
  std::int64_t dims = 512;
  FeatureType type = FeatureType::fp16;
  IndexLayout layout = {.kind = IndexKind::exact};
  std::uint64_t seed = 0;
  StopRequested stop_requested = {};
};

/// The building of an index.
struct BuildResult {
  double generate_seconds = 0;  ///< making the features, which is no part of the rest
  double write_seconds = 0;     ///< features and entries
  std::vector<std::pair<std::string, double>> stages = {};  ///< of organizing them (IndexLayout::begin_stage)
  double total_seconds = 0;                                 ///< writing and organizing
  double peak_rss_gib = 0;        ///< while organizing, with the pages of files that the system can take back
  double peak_anonymous_gib = 0;  ///< without these, sampled
};
/// Writes an index of synthetic features. Throws UserError if it does not fit onto the disk.
BuildResult benchmark_build(const std::filesystem::path& folder, const IndexBenchmark& benchmark);

/// The bytes of all files, and of those that organize the features.
struct IndexBytes {
  std::uint64_t all = 0;
  std::uint64_t organizing = 0;
};
IndexBytes bytes_of_index(const std::filesystem::path& folder);

/// Searches for the k best entries with one setting.
struct MeasuredSearch {
  SearchOptions options = {};
  double recall = 0;           ///< the part of the k nearest that are found
  double first_median_ms = 0;  ///< one query after the other, on one thread, the first time
  double first_p99_ms = 0;
  double median_ms = 0, p99_ms = 0;  ///< the same once more: what is needed of the files is in memory
  double all_threads_median_ms = 0;  ///< one query after the other, all threads for each
  double queries_per_second = 0;     ///< all queries at once, on all threads
};

/// The searches of an index.
struct SearchBenchmarkResult {
  std::int64_t queries = 0;
  double exact_seconds = 0;  ///< the exact search for all queries that recall is measured against
  double peak_rss_gib = 0, peak_anonymous_gib = 0;  ///< of opening and approximate searches
  std::vector<MeasuredSearch> searches = {};
};

/// Queries for an index: for one that benchmark_build made, others of the same distribution; for any other its own rows, evenly
/// spaced, with noise.
at::Tensor benchmark_queries(const SearchIndex& index, std::int64_t count);

/// Searches the only or the first side with each of the settings. `effort`: of a graph.
SearchBenchmarkResult benchmark_search(const std::filesystem::path& folder, std::int64_t queries,
                                       std::int64_t k, const std::vector<SearchOptions>& settings,
                                       std::int64_t effort);

}  // namespace cloob

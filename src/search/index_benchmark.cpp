#include "cloob/search/index_benchmark.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/log.h"
#include "cloob/base/memory.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"
#include "search/synthetic_features.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

// What the header of a synthetic index has as its source, before the seed.
constexpr std::string_view kSource = "synthetic features, seed ";

// The highest memory use while it lives. Linux keeps that of all pages, but not that of anonymous ones.
class MemoryWatch {
 public:
  MemoryWatch() { reset_peak_rss(); }
  ~MemoryWatch() { stop(); }
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  double peak_rss_gib() const { return static_cast<double>(peak_rss_bytes()) / kGiB; }
  double peak_anonymous_gib() const { return static_cast<double>(peak_anonymous_.load()) / kGiB; }

 private:
  void watch() {
    constexpr std::chrono::milliseconds kInterval{20};
    std::unique_lock lock(mutex_);
    do {
      peak_anonymous_ = std::max(peak_anonymous_.load(), current_anonymous_bytes());
    } while (!stopped_.wait_for(lock, kInterval, [&] { return is_stopped_; }));
  }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      is_stopped_ = true;
    }
    stopped_.notify_one();
    thread_.join();
  }

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool is_stopped_ = false;
  std::atomic<std::uint64_t> peak_anonymous_ = 0;
  std::thread thread_{[this] { watch(); }};
};

// Measures what lies between the beginnings of stages.
class StageTimes {
 public:
  void begin(const char* stage) {
    end();
    stage_ = stage;
  }
  std::vector<std::pair<std::string, double>> take() {
    end();
    return std::move(times_);
  }

 private:
  void end() {
    const double seconds = timer_.restart();
    if (!stage_.empty()) times_.emplace_back(stage_, seconds);
    stage_.clear();
  }

  Timer timer_;
  std::string stage_;
  std::vector<std::pair<std::string, double>> times_;
};

// A graph is the largest: 4 bytes for each of 2 links per layer.
void require_space(const fs::path& folder, const IndexBenchmark& benchmark) {
  constexpr std::int64_t kEntry = 64, kLink = 8;
  const std::int64_t features = benchmark.dims * size_of(benchmark.type);
  const IndexKind kind = benchmark.layout.kind.value_or(IndexKind::exact);
  std::int64_t row = features + kEntry;
  if (kind == IndexKind::ivf) row += features;
  if (kind == IndexKind::ivfpq)
    row += benchmark.layout.code_bytes.value_or(default_code_bytes(benchmark.dims));
  if (kind == IndexKind::hnsw) row += benchmark.layout.links.value_or(kDefaultLinks) * kLink * 2;
  const double needed = static_cast<double>(benchmark.count) * static_cast<double>(row);
  std::error_code error;
  const fs::path parent = fs::absolute(folder).parent_path();
  const double available = static_cast<double>(fs::space(parent, error).available);
  if (!error && needed > available) {
    throw_user_error(
        "the index needs about {:.1f} GiB, but '{}' has {:.1f} GiB free: name a folder elsewhere with --out",
        needed / kGiB, parent.string(), available / kGiB);
  }
}

IndexRows make_rows(const at::Tensor& features_ND, std::int64_t first) {
  IndexRows rows;
  rows.features_ND[Side::image] = features_ND;
  for (std::int64_t i = 0; i < features_ND.size(0); ++i) {
    rows.entries.push_back({.key = std::to_string(first + i)});
    rows.content_hashes.push_back(mix_bits({static_cast<std::uint64_t>(first + i)}));
  }
  return rows;
}

// The value below which `part` of the times are.
double quantile(std::vector<double> times, double part) {
  std::ranges::sort(times);
  const auto place = static_cast<std::size_t>(part * static_cast<double>(times.size()));
  return times[std::min(place, times.size() - 1)];
}

std::vector<double> latencies_ms(const SearchIndex& index, Side side,
                                 const std::vector<PaddedQueries>& queries, std::int64_t k,
                                 const SearchOptions& options) {
  std::vector<double> times;
  for (const PaddedQueries& query : queries) {
    const Timer timer;
    index.search(query, side, k, options);
    times.push_back(timer.seconds() * 1e3);
  }
  return times;
}

double recall_of(const std::vector<std::vector<Neighbor>>& found,
                 const std::vector<std::vector<Neighbor>>& nearest) {
  double hits = 0, all = 0;
  for (std::size_t q = 0; q < nearest.size(); ++q) {
    for (const Neighbor& neighbor : nearest[q])
      hits += std::ranges::find(found[q], neighbor) != found[q].end() ? 1 : 0;
    all += static_cast<double>(nearest[q].size());
  }
  return hits / all;
}

MeasuredSearch search_with(const SearchIndex& index, Side side, const at::Tensor& queries_QD, std::int64_t k,
                           SearchOptions options, std::vector<std::vector<Neighbor>>& found) {
  std::vector<PaddedQueries> alone;
  for (std::int64_t q = 0; q < queries_QD.size(0); ++q) alone.emplace_back(queries_QD.narrow(0, q, 1));
  MeasuredSearch result{.options = options};
  const std::int64_t all_threads = options.threads;
  options.threads = 1;
  const std::vector<double> first = latencies_ms(index, side, alone, k, options);
  const std::vector<double> again = latencies_ms(index, side, alone, k, options);
  options.threads = all_threads;
  constexpr double kHalf = 0.5, kMost = 0.99;
  result.first_median_ms = quantile(first, kHalf);
  result.first_p99_ms = quantile(first, kMost);
  result.median_ms = quantile(again, kHalf);
  result.p99_ms = quantile(again, kMost);
  result.all_threads_median_ms = quantile(latencies_ms(index, side, alone, k, options), kHalf);
  const PaddedQueries queries(queries_QD);
  const Timer timer;
  found = index.search(queries, side, k, options);
  result.queries_per_second = static_cast<double>(queries.count()) / timer.seconds();
  return result;
}

}  // namespace

BuildResult benchmark_build(const fs::path& folder, const IndexBenchmark& benchmark) {
  require_space(folder, benchmark);
  BuildResult result;
  const SyntheticFeatures features(benchmark.count, benchmark.dims, benchmark.seed);
  IndexWriter writer(folder, benchmark.dims, /*has_thumbnails=*/false, benchmark.type);
  while (writer.count() < benchmark.count) {
    if (benchmark.stop_requested && benchmark.stop_requested()) throw IndexingStopped();
    Timer timer;
    const at::Tensor rows_ND = features.block(writer.count() / SyntheticFeatures::kBlockRows);
    result.generate_seconds += timer.restart();
    writer.add(make_rows(rows_ND, writer.count()));
    result.write_seconds += timer.seconds();
  }
  StageTimes stages;
  IndexLayout layout = benchmark.layout;
  layout.begin_stage = [&](const char* stage) { stages.begin(stage); };
  stages.begin("sync");
  const MemoryWatch memory;
  const Timer timer;
  writer.finish({.sources = {fmt::format("{}{}", kSource, benchmark.seed)}}, layout,
                benchmark.stop_requested);
  result.total_seconds = result.write_seconds + timer.seconds();
  result.stages = stages.take();
  result.peak_rss_gib = memory.peak_rss_gib();
  result.peak_anonymous_gib = memory.peak_anonymous_gib();
  return result;
}

IndexBytes bytes_of_index(const fs::path& folder) {
  IndexBytes bytes;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    bytes.all += entry.file_size();
    const std::string name = entry.path().filename().string();
    for (const auto& [word, kind] : EnumNames<IndexKind>::names) {
      if (name.find(fmt::format(".{}.", word)) != std::string::npos) bytes.organizing += entry.file_size();
    }
  }
  return bytes;
}

at::Tensor benchmark_queries(const SearchIndex& index, std::int64_t count) {
  const IndexHeader& header = index.header();
  if (header.sources.size() == 1 && header.sources.front().starts_with(kSource)) {
    const auto seed = parse_integer(std::string_view(header.sources.front()).substr(kSource.size()));
    if (seed && *seed >= 0)
      return SyntheticFeatures(header.count, header.dims, static_cast<std::uint64_t>(*seed)).queries(count);
  }
  constexpr double kNoise = 0.5;
  const FeatureRows rows = index.features(header.sides.begin()->first);
  std::vector<at::Tensor> queries_QD;
  for (std::int64_t q = 0; q < count; ++q)
    queries_QD.push_back(to_float(rows.part(q * rows.count / count, 1)));
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(std::uint64_t{0});
  return unit_rows(at::cat(queries_QD) + kNoise * unit_rows(at::randn({count, rows.dims}, generator)));
}

SearchBenchmarkResult benchmark_search(const fs::path& folder, std::int64_t num_queries, std::int64_t k,
                                       const std::vector<SearchOptions>& settings, std::int64_t effort) {
  SearchBenchmarkResult result{.queries = num_queries};
  std::vector<std::vector<std::vector<Neighbor>>> found(settings.size());
  const MemoryWatch memory;
  const SearchIndex index(folder, effort);
  const Side side = index.header().sides.begin()->first;
  const at::Tensor queries_QD = benchmark_queries(index, num_queries);
  for (std::size_t i = 0; i < settings.size(); ++i)
    result.searches.push_back(search_with(index, side, queries_QD, k, settings[i], found[i]));
  result.peak_rss_gib = memory.peak_rss_gib();
  result.peak_anonymous_gib = memory.peak_anonymous_gib();
  log_info("search", "exact search for {} queries, to measure recall", num_queries);
  const Timer timer;
  const auto nearest = exact_search(PaddedQueries(queries_QD), index.features(side), k);
  result.exact_seconds = timer.seconds();
  for (std::size_t i = 0; i < settings.size(); ++i) result.searches[i].recall = recall_of(found[i], nearest);
  return result;
}

}  // namespace cloob

// cloob bench index

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/output_file.h"
#include "cli/seed_option.h"
#include "cloob/base/error.h"
#include "cloob/base/json.h"
#include "cloob/base/memory.h"
#include "cloob/device/device.h"
#include "cloob/search/index_benchmark.h"
#include "cloob/train/stop_signal.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::int64_t kResults = 10;

struct BenchIndexArguments {
  IndexBenchmark benchmark;
  std::int64_t seed = 0;
  std::int64_t queries = 1000;
  std::vector<std::int64_t> probes, rerank;
  std::int64_t effort = kDefaultEffort;
  std::int64_t threads = 0;
  std::string index, out, json;
};

// Where the index is while it is measured: a new folder that goes with it, unless it is to be kept.
class MeasuredFolder {
 public:
  explicit MeasuredFolder(const BenchIndexArguments& arguments)
      : is_kept_(!arguments.index.empty() || !arguments.out.empty()) {
    if (is_kept_) {
      path_ = arguments.index.empty() ? arguments.out : arguments.index;
      return;
    }
    path_ = fs::temp_directory_path() / fmt::format("cloob-bench-index-{}", ::getpid());
  }
  ~MeasuredFolder() {
    std::error_code ignored;
    if (!is_kept_) fs::remove_all(path_, ignored);
  }
  MeasuredFolder(const MeasuredFolder&) = delete;
  MeasuredFolder& operator=(const MeasuredFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  bool is_kept_;
  fs::path path_;
};

// All combinations of what was asked for; unset where nothing was.
std::vector<SearchOptions> settings_of(const BenchIndexArguments& arguments) {
  const auto values = [](const std::vector<std::int64_t>& numbers) {
    std::vector<std::optional<std::int64_t>> all(numbers.begin(), numbers.end());
    if (all.empty()) all.emplace_back();
    return all;
  };
  std::vector<SearchOptions> settings;
  for (const auto& probes : values(arguments.probes)) {
    for (const auto& rerank : values(arguments.rerank))
      settings.push_back({.probes = probes, .rerank = rerank, .threads = arguments.threads});
  }
  return settings;
}

void add_build(Json& json, const BuildResult& build, std::int64_t count) {
  json["generate_s"] = build.generate_seconds;
  json["write_s"] = build.write_seconds;
  for (const auto& [stage, seconds] : build.stages) json[stage + "_s"] = seconds;
  json["build_s"] = build.total_seconds;
  json["build_rows_s"] = static_cast<double>(count) / build.total_seconds;
  json["build_peak_rss_gib"] = build.peak_rss_gib;
  json["build_peak_anonymous_gib"] = build.peak_anonymous_gib;
}

Json search_to_json(const MeasuredSearch& search) {
  Json json = Json::object();
  if (search.options.probes) json["probes"] = *search.options.probes;
  if (search.options.rerank) json["rerank"] = *search.options.rerank;
  json[fmt::format("recall_at_{}", kResults)] = search.recall;
  json["first_median_ms"] = search.first_median_ms;
  json["first_p99_ms"] = search.first_p99_ms;
  json["median_ms"] = search.median_ms;
  json["p99_ms"] = search.p99_ms;
  json["all_threads_median_ms"] = search.all_threads_median_ms;
  json["queries_s"] = search.queries_per_second;
  return json;
}

// A list for programs, a row for each for people.
void add_searches(Json& json, const SearchBenchmarkResult& result, bool for_people) {
  json["queries"] = result.queries;
  json["exact_s"] = result.exact_seconds;
  json["search_peak_rss_gib"] = result.peak_rss_gib;
  json["search_peak_anonymous_gib"] = result.peak_anonymous_gib;
  for (const MeasuredSearch& search : result.searches) {
    if (for_people)
      json[fmt::format("search {}", json.size())] = search_to_json(search);
    else
      json["searches"].push_back(search_to_json(search));
  }
}

int bench_index(BenchIndexArguments arguments) {
  require_output(arguments.json, OutputKind::json, {arguments.index + "/*"});
  if (!arguments.out.empty()) require_index_output(arguments.out);
  if (arguments.threads > 0) set_num_threads(arguments.threads);
  const StopSignal stop_signal;
  const MeasuredFolder folder(arguments);
  Json json = Json::object();
  try {
    std::optional<BuildResult> build;
    if (arguments.index.empty()) {
      arguments.benchmark.seed = static_cast<std::uint64_t>(arguments.seed);
      arguments.benchmark.layout.threads = arguments.threads;
      arguments.benchmark.stop_requested = [] { return StopSignal::received() != 0; };
      build = benchmark_build(folder.path(), arguments.benchmark);
    }
    const IndexHeader header = read_index_header(folder.path());
    json = {{"kind", enum_name(header.kind)}, {"count", header.count}, {"dim", header.dims}};
    const IndexBytes bytes = bytes_of_index(folder.path());
    json["gib"] = static_cast<double>(bytes.all) / kGiB;
    json["gib_of_kind"] = static_cast<double>(bytes.organizing) / kGiB;
    if (build) add_build(json, *build, header.count);
    if (arguments.queries > 0) {
      const SearchBenchmarkResult searches = benchmark_search(folder.path(), arguments.queries, kResults,
                                                              settings_of(arguments), arguments.effort);
      add_searches(json, searches, arguments.json.empty());
    }
  } catch (const IndexingStopped&) {
    return 128 + StopSignal::received();
  }
  write_result(arguments.json, json.dump());
  return 0;
}

}  // namespace

void add_bench_index(CLI::App& group, Action& action) {
  CLI::App* const command = group.add_subcommand(
      "index", "Build and search an index of synthetic features: time, memory, disk and recall");
  const auto arguments = std::make_shared<BenchIndexArguments>();
  IndexBenchmark& benchmark = arguments->benchmark;
  const auto number = [&](const std::string& name, auto& value, const std::string& help, std::int64_t max) {
    return command->add_option(name, value, help)->check(CLI::Range(std::int64_t{1}, max));
  };
  constexpr std::int64_t kMostRows = 10'000'000'000, kMostNumbers = 65536;
  number("--count", benchmark.count, "Entries", kMostRows)->capture_default_str();
  number("--dim", benchmark.dims, "Numbers of a row of features", kMostNumbers)->capture_default_str();
  add_enum_option<IndexKind>(*command, "--kind", benchmark.layout.kind, "How the index is organized")
      ->default_str("exact");
  add_enum_option<FeatureType>(*command, "--dtype", benchmark.type, "How features are stored");
  number("--lists", benchmark.layout.lists, "Lists of an ivf or ivfpq index, as of cloob index", 1 << 20);
  number("--code-bytes", benchmark.layout.code_bytes, "Bytes of a code, as of cloob index", kMostNumbers);
  number("--links", benchmark.layout.links, "Links of a graph, as of cloob index", 512);
  number("--build-effort", benchmark.layout.construction_effort, "Candidates for the links of a graph",
         100'000)
      ->capture_default_str();
  add_seed_option(*command, arguments->seed, "Seed of the features");
  command->add_option("--queries", arguments->queries, "Queries; 0 means that nothing is searched")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000));
  number("--probes", arguments->probes, "Lists to look into, as of cloob search; several are tried in turn",
         1 << 20);
  number("--rerank", arguments->rerank, "Entries compared after their codes; several are tried in turn",
         kMostRows);
  number("--effort", arguments->effort, "Candidates of a search of a graph", 1'000'000)
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "CPU threads; 0 means all cores")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
  CLI::Option* const out = command->add_option("--out", arguments->out, "Keep the index in this folder");
  command->add_option("--index", arguments->index, "Measure searches of this index instead of building one")
      ->excludes(out);
  add_json_option(*command, arguments->json);
  command->callback([arguments, &action] { action = [arguments] { return bench_index(*arguments); }; });
}

}  // namespace cloob

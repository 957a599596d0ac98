#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/first_bytes.h"
#include "cloob/base/parallel.h"
#include "cloob/base/shell_word.h"
#include "cloob/base/text.h"
#include "cloob/data/image_suffixes.h"
#include "cloob/data/order/sample_order.h"
#include "cloob/data/source.h"
#include "cloob/data/source_names.h"
#include "cloob/data/tar/index_file.h"
#include "data/file_content.h"
#include "data/stream/stream_sizes.h"
#include "data/stream/stream_source.h"
#include "data/table/csv_source.h"
#include "data/tar/tar_source.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

/// Concatenates sources. The weight of a source multiplies those of its parts.
class ConcatSource final : public Source {
 public:
  ConcatSource(std::vector<std::shared_ptr<const Source>> sources, std::vector<double> weights)
      : sources_(std::move(sources)), weights_(std::move(weights)) {
    weights_.resize(sources_.size(), 1);
    for (const auto& source : sources_) begins_.push_back(begins_.back() + source->size());
  }

  std::int64_t size() const override { return begins_.back(); }
  std::vector<SourcePart> parts() const override {
    std::vector<SourcePart> parts;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      for (const auto& [size, weight] : sources_[i]->parts()) parts.push_back({size, weights_[i] * weight});
    }
    return parts;
  }
  std::map<std::string, std::int64_t> member_kinds() const override {
    std::map<std::string, std::int64_t> kinds;
    for (const auto& source : sources_) {
      for (const auto& [kind, count] : source->member_kinds()) kinds[kind] += count;
    }
    return kinds;
  }
  RawSample read(std::int64_t index) const override {
    const auto [source, local] = find(index);
    return source->read(local);
  }
  std::string key(std::int64_t index) const override {
    const auto [source, local] = find(index);
    return source->key(local);
  }
  std::vector<std::string> read_captions(std::int64_t index) const override {
    const auto [source, local] = find(index);
    return source->read_captions(local);
  }
  void add_faults(SourceFaults& faults) const override {
    for (const auto& source : sources_) source->add_faults(faults);
  }
  std::string describe(std::int64_t index) const override {
    const auto [source, local] = find(index);
    return source->describe(local);
  }
  void read_ahead(std::int64_t index) const override {
    const auto [source, local] = find(index);
    source->read_ahead(local);
  }

 private:
  std::pair<const Source*, std::int64_t> find(std::int64_t index) const {
    CLOOB_CHECK(index >= 0 && index < size(), "sample {} of {}", index, size());
    const std::size_t source = find_begin(begins_, index);
    return {sources_[source].get(), index - begins_[source]};
  }

  std::vector<std::shared_ptr<const Source>> sources_;
  std::vector<double> weights_;
  std::vector<std::int64_t> begins_ = {0};
};

// What to name instead of a folder.
std::string describe_folder(const fs::path& folder) {
  std::error_code error;
  bool has_images = false;
  constexpr int kMaxEntries = 1000;  // there may be millions
  int num_entries = 0;
  for (fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error),
       end;
       !error && entry != end && num_entries < kMaxEntries; entry.increment(error), ++num_entries) {
    const fs::path& path = entry->path();
    const auto format = format_by_name(path.native());
    if (format == DataFormat::webdataset)
      return fmt::format("name its shards, '{}'", (path.parent_path() / "*.tar").string());
    if (format == DataFormat::csv) return fmt::format("name the table in it, '{}'", path.string());
    has_images = has_images || has_image_name(path);
  }
  if (has_images) {
    const std::string name = (folder / "").parent_path().string();
    return fmt::format(
        "pack its images and the captions beside them into shards, 'cloob data pack {} --out {}', and name "
        "'{}-shards/*.tar'",
        shell_word(name), shell_word(name + "-shards"), name);
  }
  return fmt::format("name the shards or the table in it, for example '{}'", (folder / "*.tar").string());
}

DataFormat format_of_name(const std::filesystem::path& path) {
  if (const auto format = format_by_name(path.native())) return *format;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    throw_user_error("'{}' is a folder: {}", path.string(), describe_folder(path));
  }
  const std::string lower = to_lower_ascii(path.native());
  const auto expected =
      lower.find(".tar") == std::string::npos ? ExpectedContent::table : ExpectedContent::shard;
  const std::string first_bytes = first_bytes_of(path, kOtherContentBytes);
  if (first_bytes.empty()) throw_user_error("'{}' is empty", path.string());
  if (const auto other = describe_other_content(first_bytes, expected, path)) {
    throw_user_error("'{}' is neither a table nor a shard: it {}", path.string(), *other);
  }
  throw_user_error(
      "'{}' ends neither in .csv or .tsv nor in .tar: rename it if it is one of these, or set data.format to csv or "
      "webdataset",
      path.string());
}

DataFormat find_format(const DataConfig& config, const std::vector<std::filesystem::path>& paths) {
  if (config.format != DataFormat::auto_) return config.format;
  const DataFormat format = format_of_name(paths.front());
  for (const auto& path : paths) {
    if (format_of_name(path) != format) {
      throw_user_error("'{}' and '{}' have different formats: a source holds either tables or shards",
                       paths.front().string(), path.string());
    }
  }
  return format;
}

std::shared_ptr<const Source> make_csv_source(const DataConfig& config,
                                              const std::vector<std::filesystem::path>& paths,
                                              Purpose purpose) {
  std::vector<std::shared_ptr<const Source>> tables;
  for (const auto& path : paths) {
    const CsvSource::Options options = {
        .image_root = config.image_root ? std::filesystem::path(*config.image_root) : path.parent_path(),
        .group_captions = config.csv.group_captions.value_or(purpose == Purpose::evaluation),
        .caption_encoding = config.caption_encoding};
    tables.push_back(std::make_shared<CsvSource>(path, config.csv, options));
  }
  if (tables.size() == 1) return tables.front();
  return std::make_shared<ConcatSource>(std::move(tables), std::vector<double>());
}

fs::path index_folder(const DataConfig& config) {
  return config.index_folder ? fs::path(*config.index_folder) : default_index_folder();
}

IndexOptions index_options(const DataConfig& config, const IndexProgress& progress) {
  return {resolve_threads(config.threads), index_folder(config), progress};
}

// Files of one format.
std::shared_ptr<const Source> make_file_source(const DataConfig& config, std::vector<fs::path> paths,
                                               Purpose purpose, const IndexProgress& progress) {
  if (find_format(config, paths) == DataFormat::csv) return make_csv_source(config, paths, purpose);
  return std::make_shared<TarSource>(config.webdataset, config.caption_encoding, std::move(paths),
                                     index_options(config, progress));
}

// A source that is not opened yet.
struct NamedSource {
  std::vector<fs::path> paths;
  double weight = 1;
};

bool is_stream(const fs::path& path) { return is_stream_name(path.native()); }

void check_stream(const DataConfig& config, const NamedSource& source) {
  if (source.weight != std::floor(source.weight)) {
    throw_user_error(
        "data.train_weights has {} for '{}': streams are read completely, so weights must be integers if any "
        "source is a stream",
        shortest(source.weight), source.paths.front().string());
  }
  for (const fs::path& path : source.paths) {
    if (config.format == DataFormat::csv) {
      throw_user_error("data.format is csv, but '{}' is read as a stream, which must be a tar shard",
                       path.string());
    }
    const bool is_table = config.format == DataFormat::auto_ && format_of_name(path) == DataFormat::csv;
    if (is_table) {
      throw_user_error("'{}' is a table: it cannot be combined with streams, which are tar shards",
                       path.string());
    }
  }
}

// If one shard is a stream, all are read as streams: random access to the others would not help.
std::shared_ptr<const Source> make_stream_source(const DataConfig& config,
                                                 const std::vector<NamedSource>& sources,
                                                 const IndexProgress& progress,
                                                 const StreamCounting& counting) {
  std::vector<std::string> names;
  std::vector<StreamShard> shards;
  for (const NamedSource& source : sources) {
    check_stream(config, source);
    for (const fs::path& path : source.paths) {
      names.push_back(path.string());
      shards.push_back({.name = path.string(), .weight = source.weight});
    }
  }
  const auto count = [&] { return find_stream_sizes(names, config.stream, index_options(config, progress)); };
  const std::vector<std::int64_t> sizes = counting ? counting(names, count) : count();
  for (std::size_t i = 0; i < shards.size(); ++i) shards[i].num_samples = sizes[i];
  if (std::ranges::all_of(sizes, [](std::int64_t size) { return size == 0; })) {
    throw_user_error("'{}'{} no samples", names.front(),
                     names.size() > 1 ? fmt::format(" and {} more shards have", names.size() - 1) : " has");
  }
  return std::make_shared<StreamSource>(config.webdataset, config.caption_encoding, config.stream,
                                        std::move(shards));
}

std::vector<NamedSource> expand_sources(const DataConfig& config, const std::vector<std::string>& names,
                                        Purpose purpose) {
  const std::vector<std::string> separate = split_sources(names);
  if (separate.empty()) throw_user_error("no data is given: name a table (.csv, .tsv) or tar shards");
  const bool is_weighted = purpose == Purpose::training && !config.train_weights.empty();
  if (!is_weighted && separate == names) return {{expand_source_names(names), 1}};
  if (is_weighted && config.train_weights.size() != separate.size()) {
    throw_user_error(
        "data.train_weights has {} numbers for {} sources: it needs one per source, in the order of "
        "data.train",
        config.train_weights.size(), separate.size());
  }
  std::vector<NamedSource> sources;
  for (std::size_t i = 0; i < separate.size(); ++i) {
    sources.push_back({expand_source_names({separate[i]}), is_weighted ? config.train_weights[i] : 1});
  }
  return sources;
}

}  // namespace

std::shared_ptr<const Source> make_source(const DataConfig& config, const std::vector<std::string>& names,
                                          Purpose purpose, const IndexProgress& progress,
                                          const StreamCounting& counting) {
  const std::vector<NamedSource> named = expand_sources(config, names, purpose);
  const auto has_stream = [](const NamedSource& source) {
    return std::ranges::any_of(source.paths, is_stream);
  };
  if (std::ranges::any_of(named, has_stream)) return make_stream_source(config, named, progress, counting);
  std::vector<std::shared_ptr<const Source>> sources;
  std::vector<double> weights;
  for (const auto& [paths, weight] : named) {
    sources.push_back(make_file_source(config, paths, purpose, progress));
    weights.push_back(weight);
  }
  if (sources.size() == 1 && weights.front() == 1) return sources.front();
  return std::make_shared<ConcatSource>(std::move(sources), std::move(weights));
}

}  // namespace cloob

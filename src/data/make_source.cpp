#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/data/source.h"
#include "data/csv_source.h"
#include "data/parallel.h"
#include "data/source_names.h"
#include "data/tar_source.h"

namespace cloob {
namespace {

/// Several sources one behind the other.
class JoinedSource final : public Source {
 public:
  explicit JoinedSource(std::vector<std::shared_ptr<const Source>> parts) : parts_(std::move(parts)) {
    for (const auto& part : parts_) begins_.push_back(begins_.back() + part->size());
  }

  std::int64_t size() const override { return begins_.back(); }
  RawSample read(std::int64_t index) const override {
    const auto [part, local] = find(index);
    return part->read(local);
  }
  std::vector<std::string> read_captions(std::int64_t index) const override {
    const auto [part, local] = find(index);
    return part->read_captions(local);
  }
  std::string describe(std::int64_t index) const override {
    const auto [part, local] = find(index);
    return part->describe(local);
  }

 private:
  std::pair<const Source*, std::int64_t> find(std::int64_t index) const {
    CLOOB_CHECK(index >= 0 && index < size(), "sample {} of {}", index, size());
    const auto after = std::upper_bound(begins_.begin(), begins_.end(), index);
    const auto part = static_cast<std::size_t>(after - begins_.begin() - 1);
    return {parts_[part].get(), index - begins_[part]};
  }

  std::vector<std::shared_ptr<const Source>> parts_;
  std::vector<std::int64_t> begins_ = {0};
};

DataFormat format_of_name(const std::filesystem::path& path) {
  const std::string extension = to_lower_ascii(path.extension().string());
  if (extension == ".csv" || extension == ".tsv") return DataFormat::csv;
  if (extension == ".tar") return DataFormat::webdataset;
  throw_user_error("'{}' ends neither in .csv or .tsv nor in .tar: set data.format to csv or webdataset",
                   path.string());
}

DataFormat find_format(const DataConfig& config, const std::vector<std::filesystem::path>& paths) {
  if (config.format != DataFormat::auto_) return config.format;
  const DataFormat format = format_of_name(paths.front());
  for (const auto& path : paths) {
    if (format_of_name(path) != format) {
      throw_user_error("'{}' and '{}' are of different formats: one source has either tables or shards",
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
        .group_captions = config.csv.group_captions.value_or(purpose == Purpose::evaluation)};
    tables.push_back(std::make_shared<CsvSource>(path, config.csv, options));
  }
  if (tables.size() == 1) return tables.front();
  return std::make_shared<JoinedSource>(std::move(tables));
}

}  // namespace

std::shared_ptr<const Source> make_source(const DataConfig& config, const std::vector<std::string>& names,
                                          Purpose purpose) {
  auto paths = expand_source_names(names);
  if (paths.empty()) throw_user_error("no data is named: give a table (.csv, .tsv) or tar shards");
  if (find_format(config, paths) == DataFormat::csv) return make_csv_source(config, paths, purpose);
  return std::make_shared<TarSource>(config.webdataset, std::move(paths), resolve_threads(config.threads));
}

}  // namespace cloob

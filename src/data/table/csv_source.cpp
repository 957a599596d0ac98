#include "data/table/csv_source.h"

#include <ATen/ceil_div.h>
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/captions.h"
#include "cloob/data/image_files.h"
#include "cloob/data/source_names.h"

namespace cloob {
namespace {

bool is_windows_path(std::string_view path) {
  const bool has_drive = path.size() > 2 && std::isalpha(static_cast<unsigned char>(path[0])) != 0 &&
                         path[1] == ':' && (path[2] == '\\' || path[2] == '/');
  return has_drive || path.find('\\') != std::string_view::npos;
}

// What to do about paths like this one, none of which exists.
std::string_view advice_on_missing(std::string_view path) {
  if (is_windows_path(path)) {
    return "they are paths of Windows: write '/' instead of backslashes, without a drive such as C:, and set "
           "data.image_root to the folder that they start from";
  }
  if (trim(path) != path) return "there are blanks around the paths, which belong to them: remove these";
  return "set data.image_root to the folder that its paths start from";
}

}  // namespace

CsvSource::CsvSource(std::filesystem::path path, const CsvConfig& config, Options options)
    : table_(std::move(path), config),
      options_(std::move(options)),
      filepath_column_name_(config.filepath_column),
      filepath_column_(find_filepath_column(config)) {
  for (const std::string& name : config.caption_columns) {
    caption_columns_.push_back(table_.find_column(name, "data.csv.caption_columns"));
  }
  if (options_.group_captions) group_rows();
  check_that_images_exist();
}

// A list of what to download, such as the files of CC3M and CC12M, is not yet a table of images.
void CsvSource::require_no_addresses(const std::vector<std::string>& fields) const {
  if (std::ranges::none_of(fields, [](const std::string& field) { return is_http_name(field); })) return;
  const std::string path = table_.path().string();
  throw_user_error(
      "'{0}' is a list of web addresses, not of image files: download the images, img2dataset --url_list '{0}' "
      "--input_format {1} --url_col url --caption_col caption --output_format webdataset --output_folder shards "
      "--resize_mode keep_ratio --image_size 256, and use 'shards/*.tar'; url and caption are the names in its first "
      "line, which the files of CC3M and CC12M lack: add it",
      path, table_.dialect().separator == '\t' ? "tsv" : "csv");
}

std::size_t CsvSource::find_filepath_column(const CsvConfig& config) const {
  try {
    return table_.find_column(config.filepath_column, "data.csv.filepath_column");
  } catch (const UserError&) {
    require_no_addresses(table_.columns());
    try {
      require_no_addresses(table_.row(0));
    } catch (const BadSample&) {  // the row cannot be read
    }
    throw;
  }
}

// Sorts the row numbers by group; groups are in the order of their first rows.
void CsvSource::group_rows() {
  std::unordered_map<std::string, std::int64_t> group_of_path;
  std::vector<std::int64_t> groups(static_cast<std::size_t>(table_.num_rows()));
  std::int64_t num_groups = 0;
  CsvRowReader reader(table_);
  for (std::int64_t row = 0; row < table_.num_rows(); ++row) {
    std::int64_t& group = groups[static_cast<std::size_t>(row)];
    group = num_groups;
    try {
      group = group_of_path.emplace(reader.row(row).at(filepath_column_), num_groups).first->second;
    } catch (const BadSample&) {  // becomes its own group, and is reported when it is read
    }
    if (group == num_groups) ++num_groups;
  }
  group_begins_.assign(static_cast<std::size_t>(num_groups) + 1, 0);
  for (const std::int64_t group : groups) ++group_begins_[static_cast<std::size_t>(group) + 1];
  std::partial_sum(group_begins_.begin(), group_begins_.end(), group_begins_.begin());
  group_rows_.resize(groups.size());
  std::iota(group_rows_.begin(), group_rows_.end(), std::int64_t{0});
  const auto group_of = [&](std::int64_t row) { return groups[static_cast<std::size_t>(row)]; };
  std::stable_sort(group_rows_.begin(), group_rows_.end(),
                   [&](std::int64_t a, std::int64_t b) { return group_of(a) < group_of(b); });
}

std::int64_t CsvSource::size() const {
  return options_.group_captions ? static_cast<std::int64_t>(group_begins_.size()) - 1 : table_.num_rows();
}

std::vector<std::int64_t> CsvSource::rows_of(std::int64_t index) const {
  if (!options_.group_captions) return {index};
  const auto group = static_cast<std::size_t>(index);
  return {group_rows_.begin() + group_begins_.at(group), group_rows_.begin() + group_begins_.at(group + 1)};
}

std::string CsvSource::filepath(std::int64_t index) const {
  return table_.row(rows_of(index).front()).at(filepath_column_);
}

std::string CsvSource::archive_of(CsvRowReader& reader, std::int64_t index) const {
  try {
    const std::string path = reader.row(rows_of(index).front()).at(filepath_column_);
    return std::string(archive_in_path(path).value_or(""));
  } catch (const BadSample&) {  // reported when it is read
    return "";
  }
}

bool CsvSource::has_archives() const {
  constexpr std::int64_t kNumProbes = 32;
  CsvRowReader reader(table_);
  for (std::int64_t index = 0; index < std::min(kNumProbes, size()); ++index) {
    if (!archive_of(reader, index).empty()) return true;
  }
  return false;
}

// The samples at which the archive changes, including the first sample. There may be millions of rows, so all
// processors scan them in chunks.
std::vector<std::int64_t> CsvSource::archive_begins() const {
  constexpr std::int64_t kChunk = 65'536;
  const std::int64_t num_chunks = at::ceil_div(size(), kChunk);
  std::vector<std::vector<std::int64_t>> found(static_cast<std::size_t>(num_chunks));
  parallel_for(num_chunks, resolve_threads(0), [&](std::int64_t chunk) {
    const std::int64_t first = chunk * kChunk;
    CsvRowReader reader(table_);
    std::string archive = first > 0 ? archive_of(reader, first - 1) : "";
    for (std::int64_t index = first; index < std::min(size(), first + kChunk); ++index) {
      std::string next = archive_of(reader, index);
      if (index == 0 || next != archive) found[static_cast<std::size_t>(chunk)].push_back(index);
      archive = std::move(next);
    }
  });
  std::vector<std::int64_t> begins;
  for (const auto& chunk : found) begins.insert(begins.end(), chunk.begin(), chunk.end());
  return begins;
}

std::vector<SourcePart> CsvSource::parts() const {
  constexpr std::int64_t kMinMeanSize = 64;
  if (!has_archives()) return {{size(), 1}};
  std::vector<std::int64_t> begins = archive_begins();
  const auto num_parts = static_cast<std::int64_t>(begins.size());
  if (num_parts > 1 && size() / num_parts < kMinMeanSize) {
    log_warning("data",
                "'{}': the rows of an archive are not consecutive, so all samples are shuffled together and "
                "archives are reopened again and again: sort the rows by '{}'",
                table_.path().string(), filepath_column_name_);
    return {{size(), 1}};
  }
  begins.push_back(size());
  std::vector<SourcePart> parts;
  for (std::size_t i = 0; i + 1 < begins.size(); ++i) parts.push_back({begins[i + 1] - begins[i], 1});
  return parts;
}

RawSample CsvSource::read(std::int64_t index) const {
  RawSample sample;
  sample.captions = read_captions(index);
  sample.key = filepath(index);
  const auto path = options_.image_root / sample.key;
  const auto member = find_zip_member(path);
  sample.image_bytes = member ? archives_.read(*member) : read_image_file(path);
  return sample;
}

std::vector<std::string> CsvSource::read_captions(std::int64_t index) const {
  WeightedCaptions found;
  for (const std::int64_t row : rows_of(index)) {
    const auto fields = table_.row(row);
    for (const std::size_t column : caption_columns_) add_caption(found.captions, fields.at(column));
  }
  decode_captions(found, options_.caption_encoding);
  if (found.captions.empty()) throw BadSample(BadKind::no_caption, "the caption is empty");
  return std::move(found.captions);
}

std::string CsvSource::describe(std::int64_t index) const {
  std::string place = fmt::format("{}:{}", table_.path().string(), table_.line(rows_of(index).front()));
  try {
    return fmt::format("{} ('{}')", place, filepath(index));
  } catch (const BadSample&) {  // a row without a path
    return place;
  }
}

void CsvSource::check_that_images_exist() const {
  constexpr std::int64_t kMaxProbes = 32;
  const std::int64_t num_probes = std::min(kMaxProbes, size());
  std::vector<std::string> missing;
  for (std::int64_t probe = 0; probe < num_probes; ++probe) {
    try {
      const auto path = image_path(probe * size() / num_probes);
      const auto member = find_zip_member(path);
      std::error_code error;
      if (member ? archives_.contains(*member) : std::filesystem::exists(path, error)) return;
      missing.push_back(path.string());
    } catch (const BadSample&) {  // reported when it is read
      return;
    }
  }
  require_no_addresses({filepath(0)});
  constexpr std::size_t kShown = 3;
  const std::size_t count = missing.size();
  const std::string first = missing.front();
  missing.resize(std::min(kShown, count));
  throw_user_error("'{}': none of the {} images checked exists, for example '{}': {}", table_.path().string(),
                   count, join(missing, "', '"), advice_on_missing(filepath(0)));
}

}  // namespace cloob

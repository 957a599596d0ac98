#include "cloob/search/index_writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/mapped_file.h"
#include "cloob/base/random.h"
#include "cloob/search/feature_rows.h"
#include "search/hnsw.h"
#include "search/ivf.h"
#include "search/ivfpq.h"
#include "search/row_reader.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

// Without a trailing slash, so that the folder has a name and a parent.
fs::path normalized(const fs::path& folder) {
  if (folder.empty()) throw_user_error("the path of the index is empty");
  return (fs::absolute(folder).lexically_normal() / "").parent_path();
}

const fs::path& checked(const fs::path& folder) {
  require_index_output(folder);
  return folder;
}

IndexKind kind_of(const IndexLayout& layout, std::int64_t count) {
  if (layout.kind) return *layout.kind;
  return count < layout.exact_below ? IndexKind::exact : IndexKind::ivf;
}

// The folder is replaced as a whole.
void require_only_index(const fs::path& folder) {
  constexpr std::array kParts = {"contents", "entries", "image", "index",
                                 "keys",     "removed", "text",  "thumbnails"};
  for (const fs::path& path : paths_in(folder)) {
    const std::string name = path.filename().string();
    std::error_code ignored;
    if (!fs::is_directory(path, ignored) &&
        std::ranges::find(kParts, name.substr(0, name.find('.'))) != kParts.end())
      continue;
    throw_user_error(
        "'{}' is not of the index in its folder, which is written anew: move it elsewhere first, so that it is not lost",
        path.string());
  }
}

}  // namespace

void begin_stage(const IndexLayout& layout, const char* stage) {
  if (layout.begin_stage) layout.begin_stage(stage);
}

std::int64_t default_lists(std::int64_t count) {
  constexpr std::int64_t kMinEntries = 16;  // of a list, on average
  const auto lists = static_cast<std::int64_t>(4 * std::sqrt(static_cast<double>(count)));
  return std::max<std::int64_t>(1, std::min(lists, count / kMinEntries));
}

std::int64_t num_lists(const IndexLayout& layout, std::int64_t count) {
  return std::min(layout.lists.value_or(default_lists(count)), count);
}

std::int64_t default_probes(IndexKind kind, std::int64_t lists) {
  constexpr std::int64_t kMin = 16;
  const std::int64_t part = kind == IndexKind::ivfpq ? 32 : 64;
  return std::min(lists, std::max(kMin, lists / part));
}

std::int64_t default_code_bytes(std::int64_t dims) {
  constexpr std::int64_t kNumbersPerByte = 8;
  return (dims + kNumbersPerByte - 1) / kNumbersPerByte;
}

void require_index_output(const fs::path& folder) {
  const fs::path target = normalized(folder);
  if (is_index_folder(target)) return require_only_index(target);
  std::error_code error;
  if (fs::is_directory(target, error) && !fs::is_empty(target, error)) {
    throw_user_error("'{}' exists and is not an index, so it is not replaced: choose a new folder",
                     folder.string());
  }
  require_new_or_empty(target);
}

IndexWriter::IndexWriter(const fs::path& folder, std::int64_t dims, bool has_thumbnails, FeatureType type)
    : staged_(normalized(checked(folder))), dims_(dims), has_thumbnails_(has_thumbnails), type_(type) {}

IndexWriter::~IndexWriter() = default;

OutputFile& IndexWriter::file(const std::string& name) {
  std::unique_ptr<OutputFile>& file = files_[name];
  if (!file) file = std::make_unique<OutputFile>(staged_.path() / name);
  return *file;
}

template <class Number>
void IndexWriter::append(const std::string& name, const std::vector<Number>& numbers) {
  file(name).write(std::as_bytes(std::span(numbers)));
}

void IndexWriter::add(const IndexRows& rows) {
  const std::size_t num_rows = rows.entries.size();
  CLOOB_CHECK(
      rows.content_hashes.size() == num_rows && (!has_thumbnails_ || rows.thumbnails.size() == num_rows),
      "{} entries, {} hashes, {} thumbnails", num_rows, rows.content_hashes.size(), rows.thumbnails.size());
  if (num_rows == 0) return;
  for (const auto& [side, features_ND] : rows.features_ND) {
    CLOOB_CHECK(features_ND.size(0) == std::ssize(rows.entries) && features_ND.size(1) == dims_,
                "{} x {} features for {} entries", features_ND.size(0), features_ND.size(1), num_rows);
    CLOOB_CHECK(count_ == 0 || sides_.contains(side), "features of one side only");
    append(std::string(enum_name(side)) + ".features", to_bytes(features_ND, type_));
    sides_[side] = true;
  }
  std::string lines;
  std::vector<std::int64_t> begins, thumbnail_begins;
  std::vector<std::uint64_t> key_hashes;
  for (const IndexEntry& entry : rows.entries) {
    begins.push_back(entries_end_ + std::ssize(lines));
    lines += to_line(entry) + "\n";
    key_hashes.push_back(hash_text(as_stored(entry.key), 0));
  }
  file("entries.jsonl").write(lines);
  entries_end_ += std::ssize(lines);
  append("entries.offsets", begins);
  append("keys.hashes", key_hashes);
  append("contents.hashes", rows.content_hashes);
  if (has_thumbnails_) {
    for (const std::string& jpeg : rows.thumbnails) {
      thumbnail_begins.push_back(thumbnails_end_);
      file("thumbnails.jpg").write(jpeg);
      thumbnails_end_ += std::ssize(jpeg);
    }
    append("thumbnails.offsets", thumbnail_begins);
  }
  count_ += std::ssize(rows.entries);
}

IndexHeader IndexWriter::finish(IndexHeader header, const IndexLayout& layout,
                                const StopRequested& stop_requested) {
  if (count_ == 0) throw_user_error("there is nothing to index");
  append("entries.offsets", std::vector{entries_end_});
  if (has_thumbnails_) append("thumbnails.offsets", std::vector{thumbnails_end_});
  for (auto& [name, output] : files_) output->finish();
  files_.clear();
  header.kind = kind_of(layout, count_);
  header.dims = dims_;
  header.type = type_;
  header.count = count_;
  header.removed = 0;
  header.has_thumbnails = has_thumbnails_;
  header.sides.clear();
  for (const auto& [side, unused] : sides_) {
    const std::string name(enum_name(side));
    const fs::path file = staged_.path() / (name + ".features");
    const MappedFile mapped(file);
    const FeatureRows rows{mapped.bytes().data(), count_, dims_, type_};
    const RowReader reader(file, count_, dims_, type_);
    IndexSide& shape = header.sides[side];
    if (header.kind == IndexKind::ivf)
      shape.ivf = write_ivf(staged_.path() / (name + ".ivf"), reader, rows, layout, stop_requested);
    if (header.kind == IndexKind::ivfpq)
      shape.ivfpq = write_ivfpq(staged_.path() / (name + ".ivfpq"), reader, layout, stop_requested);
    if (header.kind == IndexKind::hnsw)
      shape.hnsw = write_hnsw(staged_.path() / (name + ".hnsw"), rows, layout, stop_requested);
  }
  if (stop_requested && stop_requested()) throw IndexingStopped();
  write_index_header(staged_.path(), header);
  staged_.publish();
  return header;
}

}  // namespace cloob

#include "cloob/search/embeddings.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/npy.h"
#include "cloob/base/random.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"
#include "cloob/search/feature_rows.h"
#include "search/line_reader.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kModelFile = "cloob.json";
constexpr std::int64_t kBlockRows = 4096;

std::string_view prefix_of(Side side) { return side == Side::image ? "img_emb" : "text_emb"; }

// The files PREFIX_N.SUFFIX in the folder PREFIX, by N.
std::map<std::int64_t, fs::path> numbered_files(const fs::path& root, std::string_view prefix,
                                                std::string_view suffix) {
  std::map<std::int64_t, fs::path> files;
  const fs::path folder = root / prefix;
  std::error_code error;
  if (!fs::is_directory(folder, error)) return files;
  for (const fs::path& path : paths_in(folder)) {
    const std::string name = path.filename().string();
    if (!name.starts_with(fmt::format("{}_", prefix)) || path.extension() != suffix) continue;
    const auto number = parse_integer(
        std::string_view(name).substr(prefix.size() + 1, name.size() - prefix.size() - 1 - suffix.size()));
    if (!number || *number < 0) continue;
    if (!files.emplace(*number, path).second)
      throw_user_error("'{}' and '{}' have the same number", files.at(*number).string(), path.string());
  }
  return files;
}

void add_side(EmbeddingsFolder& folder, std::map<std::int64_t, EmbeddingsPart>& parts, const fs::path& root,
              Side side) {
  for (const auto& [number, path] : numbered_files(root, prefix_of(side), ".npy")) {
    const NpyMatrix matrix(path);
    EmbeddingsPart& part = parts[number];
    if (folder.dims == 0) folder.dims = matrix.columns();
    if (matrix.columns() != folder.dims)
      throw_user_error("'{}' has {} columns, other files {}", path.string(), matrix.columns(), folder.dims);
    if (part.rows != 0 && part.rows != matrix.rows()) {
      throw_user_error("'{}' has {} rows, but '{}' has {}: they are not of the same entries", path.string(),
                       matrix.rows(), part.features.begin()->second.string(), part.rows);
    }
    part.rows = matrix.rows();
    part.features[side] = path;
    folder.sides[side] = true;
  }
}

void add_metadata(std::map<std::int64_t, EmbeddingsPart>& parts, const fs::path& root) {
  const auto lines = numbered_files(root, "metadata", ".jsonl");
  for (const auto& [number, path] : numbered_files(root, "metadata", ".parquet")) {
    if (lines.contains(number)) continue;
    throw_user_error(
        "'{}' is a Parquet file, which this program does not read: run 'python3 tools/parquet_to_jsonl.py {}' once, "
        "which writes JSON lines beside each",
        path.string(), path.parent_path().string());
  }
  for (auto& [number, part] : parts) {
    if (const auto found = lines.find(number); found != lines.end())
      part.metadata = found->second;
    else if (!lines.empty())
      throw_user_error("'{}' has no metadata_{}.jsonl", (root / "metadata").string(), number);
  }
}

std::optional<IndexModel> read_model(const fs::path& root) {
  const fs::path file = root / kModelFile;
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return std::nullopt;
  constexpr std::uint64_t kMaxBytes = 1 << 16;
  try {
    const Json json = parse_json<Json>(read_small_file(file, kMaxBytes, "the origin of embeddings"));
    const auto text = [&](const char* name) {
      if (!json.is_object() || !json.contains(name) || !json[name].is_string())
        throw JsonError(fmt::format("has no text '{}'", name));
      return json[name].get<std::string>();
    };
    return IndexModel{text("hash"), text("name"), text("checkpoint")};
  } catch (const JsonError& error) {
    throw_user_error("'{}' {}: remove it if the embeddings are not of cloob encode", file.string(),
                     error.what());
  }
}

std::string text_of(const Json& json, const char* name) {
  if (!json.contains(name)) return "";
  if (json[name].is_string()) return json[name].get<std::string>();
  return json[name].is_number_integer() ? json[name].dump() : "";
}

IndexEntry entry_of(const std::string& line) {
  const Json json = parse_python_json<Json>(line);
  if (!json.is_object()) throw JsonError("is not an object");
  IndexEntry entry;
  entry.path = text_of(json, "image_path");
  entry.key = entry.path;
  for (const char* name : {"key", "url", "caption"}) {
    if (entry.key.empty()) entry.key = text_of(json, name);
  }
  if (const std::string caption = text_of(json, "caption"); !caption.empty()) entry.captions = {caption};
  Json rest = json;
  for (const char* name : {"image_path", "caption"}) rest.erase(name);
  if (!rest.empty()) entry.metadata = rest.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::error_code ignored;
  if (!entry.path.empty() && fs::is_regular_file(entry.path, ignored))
    entry.path = fs::absolute(entry.path).string();
  else
    entry.path.clear();
  return entry;
}

// The rows of one side with length 1; how many had another is added to `rescaled`.
at::Tensor read_rows(const NpyMatrix& matrix, const fs::path& path, std::int64_t first, std::int64_t count,
                     std::int64_t& rescaled) {
  // fp16 numbers are off by up to 2^-11, and so are lengths.
  constexpr double kTolerance = 2e-3;
  at::Tensor rows_ND = at::empty({count, matrix.columns()}, at::kFloat);
  matrix.read(first, count, {rows_ND.data_ptr<float>(), static_cast<std::size_t>(rows_ND.numel())});
  const at::Tensor norms_N1 = at::linalg_vector_norm(rows_ND, 2, at::IntArrayRef{1}, /*keepdim=*/true);
  const at::Tensor bad_N = (norms_N1.isfinite().logical_not() | (norms_N1 < 1e-6)).squeeze(1);
  if (bad_N.any().item<bool>()) {
    throw_user_error("row {} of '{}' has no direction: its numbers are zero or not finite",
                     first + bad_N.to(at::kByte).argmax().item<std::int64_t>(), path.string());
  }
  const at::Tensor other_N1 = (norms_N1 - 1).abs() > kTolerance;
  rescaled += other_N1.sum().item<std::int64_t>();
  return at::where(other_N1, rows_ND / norms_N1, rows_ND);
}

class PartReader {
 public:
  explicit PartReader(const EmbeddingsPart& part) : part_(part) {
    for (const auto& [side, path] : part.features) matrices_.emplace(side, path);
    if (!part.metadata.empty()) lines_.emplace(part.metadata);
  }

  IndexRows read(std::int64_t first, std::int64_t count, std::int64_t& rescaled) {
    IndexRows rows;
    for (const auto& [side, matrix] : matrices_)
      rows.features_ND[side] = read_rows(matrix, part_.features.at(side), first, count, rescaled);
    const std::vector<std::byte> halves = to_bytes(rows.features_ND.begin()->second, FeatureType::fp16);
    const std::size_t row_bytes = halves.size() / static_cast<std::size_t>(count);
    for (std::int64_t i = 0; i < count; ++i) {
      rows.entries.push_back(entry(first + i));
      const auto* const bytes =
          reinterpret_cast<const char*>(halves.data()) + static_cast<std::size_t>(i) * row_bytes;
      rows.content_hashes.push_back(hash_text({bytes, row_bytes}, 0));
    }
    next_row_ = first + count;
    return rows;
  }

  // Passes over the lines of rows before it; rows have to be asked for in order.
  IndexRows read_one(std::int64_t row) {
    std::int64_t ignored = 0;
    for (; lines_ && next_row_ < row; ++next_row_) lines_->next();
    return read(row, 1, ignored);
  }

  void require_end() {
    if (lines_ && lines_->next())
      throw_user_error("'{}' has more lines than the {} rows of its embeddings", part_.metadata.string(),
                       part_.rows);
  }

 private:
  IndexEntry entry(std::int64_t row) {
    const auto line = lines_ ? lines_->next() : std::nullopt;
    if (lines_ && !line) {
      throw_user_error("'{}' has {} lines, but its embeddings have {} rows", part_.metadata.string(), row,
                       part_.rows);
    }
    IndexEntry entry;
    try {
      if (line) entry = entry_of(*line);
    } catch (const JsonError& error) {
      throw_user_error("{}:{}: the line {}", part_.metadata.string(), row + 1, error.what());
    }
    if (entry.key.empty())
      entry.key = fmt::format("{}:{}", part_.features.begin()->second.filename().string(), row);
    return entry;
  }

  const EmbeddingsPart& part_;
  std::map<Side, NpyMatrix> matrices_;
  std::optional<LineReader> lines_;
  std::int64_t next_row_ = 0;
};

}  // namespace

EmbeddingsFolder open_embeddings(const fs::path& root) {
  std::error_code error;
  if (!fs::is_directory(root, error)) throw_user_error("'{}' is not a folder of embeddings", root.string());
  EmbeddingsFolder folder;
  std::map<std::int64_t, EmbeddingsPart> parts;
  for (const auto& [word, side] : EnumNames<Side>::names) add_side(folder, parts, root, side);
  if (parts.empty())
    throw_user_error(
        "'{}' has neither img_emb/img_emb_0.npy nor text_emb/text_emb_0.npy, as clip-retrieval writes them",
        root.string());
  for (const auto& [number, part] : parts) {
    for (const auto& [side, unused] : folder.sides) {
      if (!part.features.contains(side))
        throw_user_error("'{}' has no {}_{}.npy, but other files of embeddings have this number",
                         (root / prefix_of(side)).string(), prefix_of(side), number);
    }
    folder.rows += part.rows;
  }
  add_metadata(parts, root);
  for (auto& [number, part] : parts) folder.parts.push_back(std::move(part));
  folder.model = read_model(root);
  return folder;
}

std::int64_t index_embeddings(const EmbeddingsFolder& embeddings, IndexWriter& writer,
                              const std::function<void(std::int64_t rows_done)>& poll) {
  std::int64_t rescaled = 0;
  for (const EmbeddingsPart& part : embeddings.parts) {
    PartReader reader(part);
    for (std::int64_t first = 0; first < part.rows; first += kBlockRows) {
      writer.add(reader.read(first, std::min(kBlockRows, part.rows - first), rescaled));
      if (poll) poll(writer.count());
    }
    reader.require_end();
  }
  return rescaled;
}

IndexRows sample_of(const EmbeddingsFolder& embeddings, std::int64_t count) {
  const std::int64_t wanted = std::min(count, embeddings.rows);
  IndexRows sample;
  std::map<Side, std::vector<at::Tensor>> features;
  std::int64_t first_row = 0, taken = 0;
  for (const EmbeddingsPart& part : embeddings.parts) {
    PartReader reader(part);
    for (; taken < wanted; ++taken) {
      const std::int64_t row = taken * embeddings.rows / wanted;
      if (row >= first_row + part.rows) break;
      IndexRows one = reader.read_one(row - first_row);
      for (auto& [side, features_1D] : one.features_ND) features[side].push_back(std::move(features_1D));
      sample.entries.push_back(std::move(one.entries.front()));
      sample.content_hashes.push_back(one.content_hashes.front());
    }
    first_row += part.rows;
  }
  for (const auto& [side, rows] : features) sample.features_ND[side] = at::cat(rows);
  return sample;
}

struct EmbeddingsWriter::Part {
  std::int64_t rows_left = 0;
  std::map<Side, std::unique_ptr<OutputFile>> features = {};
  std::unique_ptr<OutputFile> metadata = {};

  void finish() {
    for (auto& [side, file] : features) file->finish();
    metadata->finish();
  }
};

EmbeddingsWriter::EmbeddingsWriter(fs::path folder, std::int64_t total, std::int64_t rows_per_part)
    : folder_(std::move(folder)), total_(total), rows_per_part_(rows_per_part) {}

EmbeddingsWriter::~EmbeddingsWriter() = default;

void EmbeddingsWriter::add(const std::map<Side, at::Tensor>& features_ND,
                           const std::vector<std::string>& metadata_lines) {
  const std::int64_t count = std::ssize(metadata_lines);
  for (std::int64_t done = 0; done < count;) {
    if (!part_) {
      const std::int64_t number = rows_ / rows_per_part_;
      part_ = std::make_unique<Part>();
      part_->rows_left = std::min(rows_per_part_, total_ - rows_);
      for (const auto& [side, rows_ND] : features_ND) {
        const fs::path folder = folder_ / prefix_of(side);
        make_directories(folder);
        auto file = std::make_unique<OutputFile>(folder / fmt::format("{}_{}.npy", prefix_of(side), number));
        file->write(npy_header(part_->rows_left, rows_ND.size(1)));
        part_->features[side] = std::move(file);
      }
      make_directories(folder_ / "metadata");
      part_->metadata =
          std::make_unique<OutputFile>(folder_ / "metadata" / fmt::format("metadata_{}.jsonl", number));
    }
    const std::int64_t rows = std::min(count - done, part_->rows_left);
    CLOOB_CHECK(rows > 0, "more than {} rows", total_);
    for (const auto& [side, rows_ND] : features_ND) {
      part_->features.at(side)->write(to_bytes(rows_ND.narrow(0, done, rows), FeatureType::fp16));
    }
    for (std::int64_t i = 0; i < rows; ++i)
      part_->metadata->write(metadata_lines[static_cast<std::size_t>(done + i)] + "\n");
    done += rows;
    rows_ += rows;
    part_->rows_left -= rows;
    if (part_->rows_left == 0) std::exchange(part_, nullptr)->finish();
  }
}

void EmbeddingsWriter::finish(const std::optional<IndexModel>& model) {
  CLOOB_CHECK(!part_ && rows_ == total_, "{} of {} rows", rows_, total_);
  if (!model) return;
  const Json json = {{"written_by", "cloob encode"},
                     {"hash", model->hash},
                     {"name", model->name},
                     {"checkpoint", model->checkpoint}};
  write_file_atomically(folder_ / kModelFile, json.dump(2) + "\n");
}

}  // namespace cloob

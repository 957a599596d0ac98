#include "cloob/checkpoint/safetensors_matrix.h"

#include <algorithm>
#include <vector>

#include "checkpoint/printable.h"
#include "checkpoint/safetensors_header.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/float_numbers.h"
#include "cloob/base/foreign_content.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

constexpr std::int64_t kBlockBytes = std::int64_t{16} << 20;

std::string list_of(const std::vector<TensorEntry>& entries) {
  constexpr std::size_t kMaxNames = 5;
  std::vector<std::string> names;
  for (const TensorEntry& entry : entries) {
    if (names.size() == kMaxNames) {
      names.emplace_back("...");
      break;
    }
    names.push_back(in_quotes(entry.name));
  }
  return join(names, ", ");
}

const TensorEntry& find_tensor(const std::vector<TensorEntry>& entries, const std::string& name,
                               const std::string& path) {
  if (entries.empty()) throw_user_error("'{}' holds no tensor", path);
  const auto found = std::ranges::find(entries, name.empty() ? kFeaturesTensor : name, &TensorEntry::name);
  if (found != entries.end()) return *found;
  if (name.empty() && entries.size() == 1) return entries.front();
  if (name.empty()) {
    throw_user_error("'{}' holds {} tensors ({}), none of which is named 'features': say which one is meant",
                     path, entries.size(), list_of(entries));
  }
  throw_user_error("'{}' holds no tensor {}, but {}", path, in_quotes(name), list_of(entries));
}

}  // namespace

SafetensorsMatrix::SafetensorsMatrix(const std::filesystem::path& path, const std::string& name) {
  reject_foreign_file(path);
  const RandomAccessFile file(path);
  const ParsedHeader parsed = read_safetensors_header(file);
  const TensorEntry& entry = find_tensor(parsed.header.entries, name, path.string());
  if (entry.shape.size() != 2) {
    throw_user_error("'{}': tensor {} has {} dimensions: a matrix is needed, with a row for each entry",
                     path.string(), in_quotes(entry.name), entry.shape.size());
  }
  if (!is_readable_number(entry.dtype)) {
    throw_user_error("'{}': tensor {} has numbers of type {}: only F16, BF16, F32 and F64 are read",
                     path.string(), in_quotes(entry.name), dtype_name(entry.dtype));
  }
  rows_ = entry.shape[0];
  columns_ = entry.shape[1];
  if (rows_ == 0 || columns_ == 0) {
    throw_user_error(
        "'{}': tensor {} is a matrix of {} x {} numbers: at least one row and one column are needed",
        path.string(), in_quotes(entry.name), rows_, columns_);
  }
  type_ = entry.dtype;
  metadata_ = parsed.header.metadata;
  data_offset_ = parsed.bytes.size() + static_cast<std::size_t>(entry.begin);
  file_ = MappedFile(path);
  if (file_.size() != file.size()) throw_user_error("'{}' was replaced while it was opened", path.string());
}

void SafetensorsMatrix::read(std::int64_t first, std::int64_t count, std::span<float> into) const {
  CLOOB_CHECK(first >= 0 && count >= 0 && first + count <= rows_ && std::ssize(into) == count * columns_,
              "rows {} + {} of {}", first, count, rows_);
  const std::size_t offset =
      data_offset_ + static_cast<std::size_t>(first * columns_) * c10::elementSize(type_);
  read_numbers(type_, file_.bytes().data() + offset, into);
}

void write_safetensors_matrix(const std::filesystem::path& path, std::int64_t rows, std::int64_t columns,
                              const std::map<std::string, std::string>& metadata, const RowBlock& block) {
  CLOOB_CHECK(rows > 0 && columns > 0, "a matrix of {} x {}", rows, columns);
  const auto row_bytes = static_cast<std::uint64_t>(columns) * sizeof(float);
  const SafetensorsHeader header{
      metadata,
      {{kFeaturesTensor, at::kFloat, {rows, columns}, 0, static_cast<std::uint64_t>(rows) * row_bytes}}};
  const std::int64_t block_rows =
      std::max<std::int64_t>(1, kBlockBytes / static_cast<std::int64_t>(row_bytes));
  std::vector<float> numbers;
  write_file_atomically(path, [&](OutputFile& file) {
    file.write(serialize(header));
    for (std::int64_t first = 0; first < rows; first += block_rows) {
      const std::int64_t count = std::min(block_rows, rows - first);
      numbers.resize(static_cast<std::size_t>(count * columns));
      block(first, count, numbers);
      file.write(std::as_bytes(std::span(numbers)));
    }
  });
}

}  // namespace cloob

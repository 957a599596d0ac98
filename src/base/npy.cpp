#include "cloob/base/npy.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/float_numbers.h"
#include "cloob/base/foreign_content.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxHeaderBytes = std::size_t{1} << 16;
constexpr std::int64_t kMaxRows = std::int64_t{1} << 40, kMaxColumns = std::int64_t{1} << 20;

// NumPy's names of what is read.
constexpr std::array<std::pair<std::string_view, c10::ScalarType>, 3> kTypes = {
    {{"<f2", c10::ScalarType::Half}, {"<f4", c10::ScalarType::Float}, {"<f8", c10::ScalarType::Double}}};

struct NpyHeader {
  std::string descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::int64_t>> shape;
};

// The dictionary of literals in a header: {'descr': '<f2', 'fortran_order': False, 'shape': (3, 512), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  // nullopt if it is not such a dictionary.
  std::optional<NpyHeader> parse() {
    NpyHeader header;
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      const auto key = string();
      if (!key || !take(':') || !value(*key, header)) return std::nullopt;
      if (!take(',') && peek() != '}') return std::nullopt;
    }
    if (!trim(rest_).empty()) return std::nullopt;
    return header;
  }

 private:
  char peek() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }
  bool take(char character) {
    if (peek() != character) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    peek();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  std::optional<std::string> string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return std::nullopt;
    const std::size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::optional<std::vector<std::int64_t>> tuple() {
    std::vector<std::int64_t> numbers;
    if (!take('(')) return std::nullopt;
    while (!take(')')) {
      peek();
      const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
      const auto number = parse_integer(rest_.substr(0, digits));
      if (!number) return std::nullopt;
      numbers.push_back(*number);
      rest_.remove_prefix(digits);
      if (!take(',') && peek() != ')') return std::nullopt;
    }
    return numbers;
  }

  bool value(const std::string& key, NpyHeader& header) {
    if (key == "descr") {
      const auto text = string();
      header.descr = text.value_or("");
      return text.has_value();
    }
    if (key == "fortran_order") {
      if (take_word("True"))
        header.fortran_order = true;
      else if (take_word("False"))
        header.fortran_order = false;
      return header.fortran_order.has_value();
    }
    if (key == "shape") {
      header.shape = tuple();
      return header.shape.has_value();
    }
    return false;
  }

  std::string_view rest_;
};

struct FoundHeader {
  std::string_view text;
  std::size_t data_offset = 0;
};

FoundHeader find_header(std::string_view bytes, const std::string& name) {
  reject_foreign_content(name, bytes.substr(0, kForeignContentBytes));
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + 4)
    throw_user_error("'{}' is not a .npy file of NumPy", name);
  const auto byte = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at]));
  };
  const std::size_t version = byte(6), minor = byte(7);
  if (version < 1 || version > 3 || minor != 0) {
    throw_user_error("'{}' is a .npy file of format {}.{}: only versions 1.0, 2.0 and 3.0 are read", name,
                     version, minor);
  }
  const std::size_t begin = version == 1 ? 10 : 12;
  if (bytes.size() < begin) throw_user_error("'{}' ends within its header", name);
  std::size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > kMaxHeaderBytes || length > bytes.size() - begin)
    throw_user_error("'{}' has a header of {} bytes, which is more than {}", name, length,
                     length > kMaxHeaderBytes ? "that of any matrix" : "the file");
  return {bytes.substr(begin, length), begin + length};
}

}  // namespace

NpyMatrix::NpyMatrix(const std::filesystem::path& path) : file_(path) {
  const std::string name = path.string();
  const std::string_view bytes(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size());
  const FoundHeader found = find_header(bytes, name);
  const auto header = HeaderParser(found.text).parse();
  if (!header || header->descr.empty() || !header->fortran_order || !header->shape)
    throw_user_error("'{}' has a damaged header, or not the one of a plain array", name);
  const auto* const type = std::ranges::find(kTypes, header->descr, [](const auto& t) { return t.first; });
  if (type == kTypes.end()) {
    throw_user_error(
        "'{}' has numbers of type '{}': only '<f2', '<f4' and '<f8' (float16, float32 and float64, little-endian) are read",
        name, header->descr);
  }
  type_ = type->second;
  if (*header->fortran_order)
    throw_user_error("'{}' is in Fortran order: write it in C order (numpy.ascontiguousarray)", name);
  if (header->shape->size() != 2)
    throw_user_error("'{}' has {} dimensions: a matrix is needed, with a row for each entry", name,
                     header->shape->size());
  rows_ = header->shape->at(0);
  columns_ = header->shape->at(1);
  if (rows_ < 1 || rows_ > kMaxRows || columns_ < 1 || columns_ > kMaxColumns)
    throw_user_error("'{}' is a matrix of {} x {} numbers: at least one row and one column are needed", name,
                     rows_, columns_);
  data_offset_ = found.data_offset;
  const std::uint64_t needed =
      static_cast<std::uint64_t>(rows_) * static_cast<std::uint64_t>(columns_) * c10::elementSize(type_);
  if (bytes.size() - data_offset_ != needed) {
    throw_user_error("'{}' has {} bytes of numbers, but {} x {} of them take {}: it is {}", name,
                     bytes.size() - data_offset_, rows_, columns_, needed,
                     bytes.size() - data_offset_ < needed ? "truncated" : "damaged");
  }
}

void NpyMatrix::read(std::int64_t first, std::int64_t count, std::span<float> into) const {
  const auto numbers = static_cast<std::size_t>(count * columns_);
  CLOOB_CHECK(first >= 0 && first + count <= rows_ && into.size() == numbers, "rows {} + {} of {}", first,
              count, rows_);
  const std::size_t offset =
      data_offset_ + static_cast<std::size_t>(first * columns_) * c10::elementSize(type_);
  read_numbers(type_, file_.bytes().data() + offset, into);
}

std::string npy_header(std::int64_t rows, std::int64_t columns) {
  constexpr std::size_t kAlignment = 64;
  std::string header =
      fmt::format("{{'descr': '<f2', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  const std::size_t before = kMagic.size() + 4;
  const std::size_t total = (before + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  header.resize(total - before - 1, ' ');
  header += '\n';
  const auto low = static_cast<char>(header.size() & 0xff), high = static_cast<char>(header.size() >> 8);
  return std::string(kMagic) + '\x01' + '\0' + low + high + header;
}

}  // namespace cloob

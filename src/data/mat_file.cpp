// A file is a header of 128 bytes and elements: a tag with type and size, and data. Those of type `compressed` hold another
// element, packed by zlib; those of type `matrix` hold elements again: flags, dimensions, name, content.
#include "data/mat_file.h"

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/foreign_content.h"
#include "cloob/base/utf8.h"

namespace cloob {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kHeaderBytes = 128;
constexpr std::size_t kTagBytes = 8;
constexpr int kMaxDepth = 8;
constexpr std::int64_t kMaxArrays = 1'000'000;  // each takes more memory than in the file

enum ElementType : std::uint32_t {
  kInt8 = 1,
  kUint8,
  kInt16,
  kUint16,
  kInt32,
  kUint32,
  kSingle,
  kDouble = 9,
  kInt64 = 12,
  kUint64,
  kMatrix,
  kCompressed,
  kUtf8,
  kUtf16,
};

enum ArrayClass : std::uint8_t {
  kCell = 1,
  kStruct,
  kObject,
  kChar,
  kSparse,
  kFirstNumeric,
  kLastNumeric = 15
};

struct Element {
  std::uint32_t type = 0;
  Bytes data;
};

template <typename T>
T load(Bytes bytes, std::size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

/// Parses what is in one file.
class MatParser {
 public:
  explicit MatParser(std::string name) : name_(std::move(name)) {}

  std::map<std::string, MatArray> parse(Bytes file) {
    check_header(file);
    std::map<std::string, MatArray> arrays;
    for (Bytes rest = file.subspan(kHeaderBytes); !rest.empty();) {
      const Element element = next(rest);
      if (element.type == kMatrix) add(arrays, element.data);
      if (element.type != kCompressed) continue;
      const std::vector<std::byte> unpacked = unpack(element.data);
      Bytes content = unpacked;
      const Element packed = next(content);
      if (packed.type == kMatrix) add(arrays, packed.data);
    }
    return arrays;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw_user_error("'{}' is not a MATLAB file of version 5, or is damaged: {}", name_, what);
  }
  void require(bool condition, std::string_view what) const {
    if (!condition) fail(what);
  }

  void check_header(Bytes file) const {
    const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
    if (text.starts_with("\x89HDF") || text.starts_with("MATLAB 7.3"))
      throw_user_error("'{}' is a MATLAB file of version 7.3, which is not read: save it with the option -v7",
                       name_);
    require(file.size() >= kHeaderBytes, "it is too short");
    const std::string_view mark = text.substr(124, 4);
    if (mark == std::string_view("\x01\x00MI", 4))
      throw_user_error("'{}' was written on a big-endian machine, which is not read: save it on another",
                       name_);
    require(mark == std::string_view("\x00\x01IM", 4), "its header is another one");
  }

  // Takes an element from the beginning of `rest`.
  Element next(Bytes& rest) const {
    require(rest.size() >= kTagBytes, "it ends in the middle of an element");
    const auto first = load<std::uint32_t>(rest, 0), second = load<std::uint32_t>(rest, 1);
    if (const std::uint32_t size = first >> 16; size != 0) {  // the short form, with the data in the tag
      require(size <= 4, "an element of the short form has more than 4 bytes");
      const Element element{first & 0xFFFFU, rest.subspan(4, size)};
      rest = rest.subspan(kTagBytes);
      return element;
    }
    rest = rest.subspan(kTagBytes);
    require(second <= rest.size(), "it is shorter than its elements say");
    const Element element{first, rest.first(second)};
    const std::size_t padded = first == kCompressed ? second : (std::size_t{second} + 7) / 8 * 8;
    rest = rest.subspan(std::min(padded, rest.size()));
    return element;
  }
  Element next(Bytes& rest, std::uint32_t type, std::string_view what) const {
    const Element element = next(rest);
    require(element.type == type, what);
    return element;
  }

  // All of the file together has at most kMaxMatBytes.
  std::vector<std::byte> unpack(Bytes packed) {
    z_stream stream{};
    CLOOB_CHECK(inflateInit(&stream) == Z_OK, "cannot initialize zlib");
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    std::vector<std::byte> unpacked;
    std::array<std::byte, 1 << 16> buffer;
    int status = Z_OK;
    while (status == Z_OK && unpacked_bytes_ <= kMaxMatBytes) {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = buffer.size();
      status = inflate(&stream, Z_NO_FLUSH);
      const std::size_t count = buffer.size() - stream.avail_out;
      unpacked.insert(unpacked.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
      unpacked_bytes_ += count;
    }
    inflateEnd(&stream);
    if (unpacked_bytes_ > kMaxMatBytes)
      throw_user_error("'{}' has more than {} MiB when it is unpacked", name_, kMaxMatBytes >> 20);
    require(status == Z_STREAM_END, "a packed element is incomplete");
    return unpacked;
  }

  void add(std::map<std::string, MatArray>& arrays, Bytes matrix) {
    std::string name;
    MatArray array = parse_matrix(matrix, 0, &name);
    arrays.insert_or_assign(std::move(name), std::move(array));
  }

  MatArray parse_matrix(Bytes rest, int depth, std::string* name = nullptr) {
    require(depth <= kMaxDepth, "its arrays are nested too deeply");
    require(++num_arrays_ <= kMaxArrays, "it has too many arrays");
    MatArray array;
    if (rest.empty()) return array;
    const Element flags = next(rest, kUint32, "an array has no flags");
    require(flags.data.size() == 8, "the flags of an array have another size");
    const auto array_class = load<std::uint8_t>(flags.data, 0);
    if (array_class > kLastNumeric) return array;  // functions and opaque objects, which have no dimensions
    const Element dims = next(rest, kInt32, "an array has no dimensions");
    array.count = count_of(dims.data);
    const Element label = next(rest, kInt8, "an array has no name");
    if (name != nullptr) *name = text_of_bytes(label.data);
    if (array_class == kCell) {
      array.kind = MatArray::Kind::cells;
      parse_items(array, rest, 1, depth);
    } else if (array_class == kStruct) {
      array.kind = MatArray::Kind::structs;
      array.field_names = parse_field_names(rest);
      parse_items(array, rest, std::ssize(array.field_names), depth);
    } else if (array_class == kChar) {
      array.kind = MatArray::Kind::text;
      array.text = parse_text(rest, array.count);
    } else if (array_class >= kFirstNumeric) {
      array.kind = MatArray::Kind::numbers;
      array.numbers = parse_numbers(rest, array.count);
    }
    return array;
  }

  std::int64_t count_of(Bytes dims) const {
    const std::size_t num_dims = dims.size() / sizeof(std::int32_t);
    require(num_dims >= 2 && dims.size() % sizeof(std::int32_t) == 0,
            "an array has less than two dimensions");
    std::int64_t count = 1;
    for (std::size_t i = 0; i < num_dims; ++i) {
      const auto size = load<std::int32_t>(dims, i);
      require(size >= 0, "a dimension is negative");
      count *= size;
      // Beyond, an array cannot fit into the file; and the product of two such numbers does not overflow.
      require(count <= static_cast<std::int64_t>(kMaxMatBytes), "the dimensions of an array are too large");
    }
    return count;
  }

  void parse_items(MatArray& array, Bytes rest, std::int64_t for_each, int depth) {
    const std::int64_t num_items = array.count * for_each;
    require(num_items <= std::ssize(rest) / static_cast<std::int64_t>(kTagBytes),
            "an array has fewer items than its dimensions say");
    for (std::int64_t i = 0; i < num_items; ++i)
      array.items.push_back(parse_matrix(next(rest, kMatrix, "an item is no array").data, depth + 1));
  }

  // Names of one size, filled up with zeros.
  std::vector<std::string> parse_field_names(Bytes& rest) const {
    const Element size = next(rest, kInt32, "a structure does not say how long its names are");
    require(size.data.size() == sizeof(std::int32_t), "a structure does not say how long its names are");
    const auto length = load<std::int32_t>(size.data, 0);
    const Bytes names = next(rest, kInt8, "a structure has no names").data;
    require(length > 0 && names.size() % static_cast<std::size_t>(length) == 0,
            "names of fields are cut short");
    constexpr std::size_t kMostFields = 4096;
    require(names.size() / static_cast<std::size_t>(length) <= kMostFields,
            "a structure has too many fields");
    std::vector<std::string> fields;
    for (std::size_t begin = 0; begin < names.size(); begin += static_cast<std::size_t>(length))
      fields.push_back(text_of_bytes(names.subspan(begin, static_cast<std::size_t>(length))));
    return fields;
  }

  static std::string text_of_bytes(Bytes bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return std::string(text.substr(0, text.find('\0')));
  }

  std::string parse_text(Bytes rest, std::int64_t count) const {
    if (count == 0) return {};
    const Element element = next(rest);
    const bool is_wide = element.type == kUint16 || element.type == kUtf16;
    require(is_wide || element.type == kUtf8 || element.type == kInt8 || element.type == kUint8,
            "a text is not stored as characters");
    std::string text;
    if (is_wide) {
      text = from_utf16(element.data);
    } else {
      text.assign(reinterpret_cast<const char*>(element.data.data()), element.data.size());
    }
    require(is_valid_utf8(text), "a text is not UTF-8");
    return text;
  }

  std::string from_utf16(Bytes data) const {
    require(data.size() % 2 == 0, "a text ends in the middle of a character");
    std::string text;
    for (std::size_t i = 0; i < data.size() / 2; ++i) {
      std::uint32_t code = load<std::uint16_t>(data, i);
      if (code >= 0xD800 && code < 0xE000) {
        require(code < 0xDC00 && i + 1 < data.size() / 2, "a text has half a character");
        const auto low = load<std::uint16_t>(data, ++i);
        require(low >= 0xDC00 && low < 0xE000, "a text has half a character");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00U);
      }
      append_utf8(text, code);
    }
    return text;
  }

  static void append_utf8(std::string& text, std::uint32_t code) {
    const auto more = [&](unsigned shift) { text += static_cast<char>(0x80U | ((code >> shift) & 0x3FU)); };
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else if (code < 0x800) {
      text += static_cast<char>(0xC0U | (code >> 6));
      more(0);
    } else if (code < 0x10000) {
      text += static_cast<char>(0xE0U | (code >> 12));
      more(6);
      more(0);
    } else {
      text += static_cast<char>(0xF0U | (code >> 18));
      more(12);
      more(6);
      more(0);
    }
  }

  // Numbers are stored in the smallest type that holds them, whatever the class of the array.
  std::vector<double> parse_numbers(Bytes rest, std::int64_t count) const {
    if (count == 0) return {};
    const Element element = next(rest);
    switch (element.type) {
      case kInt8:
        return numbers_of<std::int8_t>(element.data, count);
      case kUint8:
        return numbers_of<std::uint8_t>(element.data, count);
      case kInt16:
        return numbers_of<std::int16_t>(element.data, count);
      case kUint16:
        return numbers_of<std::uint16_t>(element.data, count);
      case kInt32:
        return numbers_of<std::int32_t>(element.data, count);
      case kUint32:
        return numbers_of<std::uint32_t>(element.data, count);
      case kSingle:
        return numbers_of<float>(element.data, count);
      case kDouble:
        return numbers_of<double>(element.data, count);
      case kInt64:
        return numbers_of<std::int64_t>(element.data, count);
      case kUint64:
        return numbers_of<std::uint64_t>(element.data, count);
      default:
        fail("numbers are stored in an unknown type");
    }
  }
  template <typename T>
  std::vector<double> numbers_of(Bytes data, std::int64_t count) const {
    require(data.size() == static_cast<std::size_t>(count) * sizeof(T),
            "an array has another size than its dimensions say");
    std::vector<double> numbers(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(load<T>(data, i));
    return numbers;
  }

  std::string name_;
  std::uint64_t unpacked_bytes_ = 0;
  std::int64_t num_arrays_ = 0;
};

}  // namespace

std::map<std::string, MatArray> read_mat_file(const std::filesystem::path& path) {
  static_assert(std::endian::native == std::endian::little);
  const std::string content = read_small_file(path, kMaxMatBytes, "a list of images");
  return MatParser(path.string()).parse(std::as_bytes(std::span(content)));
}

}  // namespace cloob

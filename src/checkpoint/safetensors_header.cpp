#include "checkpoint/safetensors_header.h"

#include <c10/core/ScalarType.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "checkpoint/printable.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation
constexpr std::size_t kMaxDimensions = 64;              // LibTorch's limit

constexpr std::array<std::pair<std::string_view, at::ScalarType>, 16> kDtypes = {{
    {"F64", at::kDouble},
    {"F32", at::kFloat},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"I64", at::kLong},
    {"I32", at::kInt},
    {"I16", at::kShort},
    {"I8", at::kChar},
    {"U64", at::kUInt64},
    {"U32", at::kUInt32},
    {"U16", at::kUInt16},
    {"U8", at::kByte},
    {"BOOL", at::kBool},
    {"F8_E4M3", at::kFloat8_e4m3fn},
    {"F8_E5M2", at::kFloat8_e5m2},
    {"C64", at::kComplexFloat},
}};

std::string count(std::uint64_t number) { return with_thousands(static_cast<std::int64_t>(number)); }

// Walks over the header before it is parsed, because the parser silently keeps the last of duplicate keys and recurses
// when it destroys nested values.
class KeyWatch final : public nlohmann::json_sax<Json> {
 public:
  const std::string& problem() const { return problem_; }

  bool null() override { return has_object(); }
  bool boolean(bool) override { return has_object(); }
  bool number_integer(number_integer_t) override { return has_object(); }
  bool number_unsigned(number_unsigned_t) override { return has_object(); }
  bool number_float(number_float_t, const string_t&) override { return has_object(); }
  bool string(string_t&) override { return has_object(); }
  bool binary(binary_t&) override { return has_object(); }
  bool start_object(std::size_t) override {
    keys_.emplace_back();
    return enter();
  }
  bool end_object() override {
    keys_.pop_back();
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override { return has_object() && enter(); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(string_t& key) override {
    if (keys_.back().insert(key).second) return true;
    return stop(fmt::format("its header has {} twice", in_quotes(key)));
  }
  bool parse_error(std::size_t byte, const std::string&, const Json::exception& error) override {
    constexpr int kOutOfRange = 406;
    return stop(error.id == kOutOfRange ? "its header contains a number that is out of range"
                                        : fmt::format("its header is not JSON (byte {})", byte));
  }

 private:
  bool stop(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  // Called for every value.
  bool has_object() {
    constexpr std::int64_t kMaxValues =
        4'000'000;  // a tensor has four to ten; each takes some 30 bytes when parsed
    if (keys_.empty()) return stop("its header is not a JSON object");
    return ++num_values_ <= kMaxValues || stop(fmt::format("its header has more than {} values", kMaxValues));
  }
  bool enter() {
    constexpr int kMaxDepth = 3;  // the header, a tensor, its shape
    return ++depth_ <= kMaxDepth || stop("its header is nested too deeply");
  }

  std::vector<std::unordered_set<std::string>> keys_;  // of the open objects
  int depth_ = 0;
  std::int64_t num_values_ = 0;
  std::string problem_;
};

/// Converts the JSON to entries; every error names the file.
class HeaderParser {
 public:
  HeaderParser(const std::filesystem::path& path, std::uint64_t data_bytes)
      : path_(path.string()), data_bytes_(data_bytes) {}

  SafetensorsHeader parse(std::string_view text) const {
    const Json json = parse_json(text);
    SafetensorsHeader header;
    for (const auto& [name, value] : json.items()) {
      if (name == kSafetensorsMetadata) {
        header.metadata = metadata(value);
      } else {
        header.entries.push_back(entry(name, value));
      }
    }
    check_layout(header.entries);
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw_user_error("'{}' is not a valid safetensors file: {}; create or download it again", path_, what);
  }

  Json parse_json(std::string_view text) const {
    KeyWatch watch;
    if (!Json::sax_parse(text, &watch)) fail(watch.problem());
    return Json::parse(text);
  }

  std::map<std::string, std::string> metadata(const Json& value) const {
    if (value.is_null()) return {};  // as the reference implementation reads it
    if (!value.is_object()) fail("its __metadata__ is not an object");
    std::map<std::string, std::string> result;
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) fail(fmt::format("its __metadata__ {} is not a string", in_quotes(key)));
      result[key] = text.get<std::string>();
    }
    return result;
  }

  TensorEntry entry(const std::string& name, const Json& value) const {
    if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets")) {
      fail(fmt::format("tensor {} needs exactly dtype, shape and data_offsets", in_quotes(name)));
    }
    const auto offsets = integers(name, "data_offsets", value["data_offsets"]);
    if (offsets.size() != 2) fail(fmt::format("tensor {} needs two data_offsets", in_quotes(name)));
    TensorEntry result{name, dtype(name, value["dtype"]), integers(name, "shape", value["shape"]),
                       static_cast<std::uint64_t>(offsets[0]), static_cast<std::uint64_t>(offsets[1])};
    const std::uint64_t wanted = bytes_of(result);
    if (result.end < result.begin || result.end - result.begin != wanted) {
      fail(fmt::format("tensor {} has {} bytes, from {} to {}, and its shape needs {}", in_quotes(name),
                       offsets[1] - offsets[0], offsets[0], offsets[1], wanted));
    }
    return result;
  }

  at::ScalarType dtype(const std::string& name, const Json& value) const {
    if (value.is_string()) {
      for (const auto& [text, type] : kDtypes) {
        if (text == value.get_ref<const std::string&>()) return type;
      }
    }
    // Other kinds of values are printed as JSON; a string without its JSON quotes.
    const std::string found = value.is_string() ? value.get<std::string>() : value.dump();
    throw_user_error("'{}': tensor {} has the type {}, which is not supported", path_, in_quotes(name),
                     in_quotes(found));
  }

  std::vector<std::int64_t> integers(const std::string& name, std::string_view key, const Json& value) const {
    if (!value.is_array()) fail(fmt::format("{} of tensor {} is not a list", key, in_quotes(name)));
    if (value.size() > kMaxDimensions) fail(fmt::format("{} of tensor {} is too long", key, in_quotes(name)));
    std::vector<std::int64_t> result;
    for (const Json& item : value) {
      constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      if (!item.is_number_unsigned() || item.get<std::uint64_t>() > kMax) {
        fail(fmt::format("{} of tensor {} contains {}, which is not a count", key, in_quotes(name),
                         in_quotes(item.dump())));
      }
      result.push_back(item.get<std::int64_t>());
    }
    return result;
  }

  std::uint64_t bytes_of(const TensorEntry& entry) const {
    // Zeros are applied last, because LibTorch multiplies the other dimensions when it computes strides.
    std::int64_t bytes = static_cast<std::int64_t>(c10::elementSize(entry.dtype));
    bool empty = false;
    for (const std::int64_t size : entry.shape) {
      empty = empty || size == 0;
      if (size != 0 && __builtin_mul_overflow(bytes, size, &bytes)) {
        fail(fmt::format("tensor {} has more elements than fit into a file", in_quotes(entry.name)));
      }
    }
    return empty ? 0 : static_cast<std::uint64_t>(bytes);
  }

  void check_layout(std::vector<TensorEntry>& entries) const {
    std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t position = 0;
    for (const TensorEntry& entry : entries) {
      if (entry.begin != position) {
        fail(fmt::format("tensor {} begins at byte {} and the one before ends at {}", in_quotes(entry.name),
                         entry.begin, position));
      }
      position = entry.end;
    }
    if (position > data_bytes_) {
      throw_user_error(
          "'{}' is truncated: its tensors need {} bytes after the header and there are {}; copy or download "
          "it again",
          path_, count(position), count(data_bytes_));
    }
    if (position < data_bytes_)
      fail(fmt::format("{} bytes follow its last tensor", count(data_bytes_ - position)));
  }

  std::string path_;
  std::uint64_t data_bytes_;
};

std::uint64_t header_length(const RandomAccessFile& file) {
  const std::string path = file.path().string();
  if (file.size() < kLengthBytes + 2) {
    throw_user_error("'{}' is not a safetensors file: it has only {} bytes", path, file.size());
  }
  std::array<std::byte, kLengthBytes + 1> head;
  file.read(0, head);
  std::uint64_t length = 0;
  std::memcpy(&length, head.data(), kLengthBytes);
  if (head[kLengthBytes] != std::byte{'{'} || length > kMaxHeaderBytes) {
    throw_user_error("'{}' is not a safetensors file: it does not begin with a JSON header", path);
  }
  if (length > file.size() - kLengthBytes) {
    throw_user_error(
        "'{}' is truncated: it has {} bytes and its header alone has {}; copy or download it again", path,
        count(file.size()), count(length + kLengthBytes));
  }
  return length;
}

}  // namespace

ParsedHeader read_safetensors_header(const RandomAccessFile& file) {
  ParsedHeader parsed;
  parsed.bytes.resize(kLengthBytes + header_length(file));
  file.read(0, std::as_writable_bytes(std::span(parsed.bytes.data(), parsed.bytes.size())));
  const HeaderParser parser(file.path(), file.size() - parsed.bytes.size());
  parsed.header = parser.parse(std::string_view(parsed.bytes).substr(kLengthBytes));
  return parsed;
}

std::string serialize(const SafetensorsHeader& header) {
  Json json = Json::object();
  if (!header.metadata.empty()) json[std::string(kSafetensorsMetadata)] = header.metadata;
  for (const TensorEntry& entry : header.entries) {
    json[entry.name] = {{"dtype", dtype_name(entry.dtype)},
                        {"shape", entry.shape},
                        {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const Json::type_error&) {
    throw_user_error(
        "a tensor's name or the metadata is not UTF-8 and cannot be written to a safetensors file");
  }
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(kLengthBytes, '\0');
  std::memcpy(bytes.data(), &length, kLengthBytes);
  return bytes + text;
}

std::string_view dtype_name(at::ScalarType dtype) {
  for (const auto& [text, type] : kDtypes) {
    if (type == dtype) return text;
  }
  throw_user_error("tensors of type {} cannot be written to a safetensors file", c10::toString(dtype));
}

}  // namespace cloob

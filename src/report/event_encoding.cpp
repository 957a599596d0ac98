#include "report/event_encoding.h"

#include <array>
#include <bit>

#include "cloob/base/error.h"

namespace cloob {
namespace {

// Protobuf wire format. Fields with their default value (0) are omitted, as in the reference encoder.
void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

template <class Word>
void put_little_endian(std::string& out, Word word) {
  for (std::size_t byte = 0; byte < sizeof(Word); ++byte)
    out += static_cast<char>((word >> (8 * byte)) & 0xff);
}

enum class WireType : std::uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

void put_key(std::string& out, std::uint64_t field, WireType type) {
  put_varint(out, field << 3 | static_cast<std::uint64_t>(type));
}

void put_integer(std::string& out, std::uint64_t field, std::int64_t value) {
  if (value == 0) return;
  put_key(out, field, WireType::varint);
  put_varint(out, static_cast<std::uint64_t>(value));
}

void put_bytes(std::string& out, std::uint64_t field, std::string_view bytes) {
  put_key(out, field, WireType::bytes);
  put_varint(out, bytes.size());
  out += bytes;
}

std::string event_head(double wall_time, std::int64_t step) {
  std::string event;
  put_key(event, /*wall_time*/ 1, WireType::fixed64);
  put_little_endian(event, std::bit_cast<std::uint64_t>(wall_time));
  put_integer(event, /*step*/ 2, step);
  return event;
}

std::uint32_t big_endian_at(std::string_view bytes, std::size_t offset) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < 4; ++i) word = word << 8 | static_cast<unsigned char>(bytes[offset + i]);
  return word;
}

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  constexpr std::uint32_t kReversedPolynomial = 0x82f63b78;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = remainder >> 1 ^ (remainder & 1 ? kReversedPolynomial : 0);
    table[byte] = remainder;
  }
  return table;
}

// TFRecord stores checksums rotated and offset, so that the checksum of data that contains checksums remains
// effective.
std::uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8U; }

}  // namespace

std::string version_event(double wall_time) {
  std::string event = event_head(wall_time, 0);
  put_bytes(event, /*file_version*/ 3, "brain.Event:2");
  return event;
}

std::string session_start_event(double wall_time, std::int64_t step) {
  std::string session;
  put_integer(session, /*status*/ 1, /*START*/ 1);
  std::string event = event_head(wall_time, step);
  put_bytes(event, /*session_log*/ 7, session);
  return event;
}

std::string scalars_event(double wall_time, std::int64_t step, const NamedNumbers& numbers) {
  std::string summary;
  for (const auto& [name, number] : numbers) {
    std::string value;
    put_bytes(value, /*tag*/ 1, name);
    put_key(value, /*simple_value*/ 2, WireType::fixed32);
    put_little_endian(value, std::bit_cast<std::uint32_t>(static_cast<float>(number)));
    put_bytes(summary, /*value*/ 1, value);
  }
  std::string event = event_head(wall_time, step);
  put_bytes(event, /*summary*/ 5, summary);
  return event;
}

std::string image_event(double wall_time, std::int64_t step, std::string_view tag, std::string_view png) {
  // A PNG file starts with an 8-byte signature and the chunk IHDR: length, name, width, height.
  CLOOB_CHECK(png.size() > 24 && png.substr(12, 4) == "IHDR", "not a PNG file ({} bytes)", png.size());
  std::string image;
  put_integer(image, /*height*/ 1, big_endian_at(png, 20));
  put_integer(image, /*width*/ 2, big_endian_at(png, 16));
  put_integer(image, /*colorspace*/ 3, /*RGB*/ 3);
  put_bytes(image, /*encoded_image_string*/ 4, png);
  std::string value;
  put_bytes(value, /*tag*/ 1, tag);
  put_bytes(value, /*image*/ 4, image);
  std::string summary;
  put_bytes(summary, /*value*/ 1, value);
  std::string event = event_head(wall_time, step);
  put_bytes(event, /*summary*/ 5, summary);
  return event;
}

std::string frame_record(std::string_view event) {
  std::string record;
  put_little_endian(record, static_cast<std::uint64_t>(event.size()));
  put_little_endian(record, masked_crc32c(record));
  record += event;
  put_little_endian(record, masked_crc32c(event));
  return record;
}

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = make_crc_table();
  std::uint32_t crc = 0xffffffff;
  for (const char byte : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

}  // namespace cloob

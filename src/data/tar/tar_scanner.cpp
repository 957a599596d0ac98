#include "data/tar/tar_scanner.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "cloob/base/foreign_content.h"
#include "cloob/base/text.h"
#include "data/read_claimed.h"

namespace cloob {
namespace {

using Block = std::span<const std::byte>;

[[noreturn]] void throw_bad_header(std::uint64_t offset, fmt::format_string<std::uint64_t&> message) {
  throw TarError(TarDamage::bad_header, offset, fmt::format(message, offset));
}

// What a file that begins with this block is, if it is no archive.
std::string describe_start(Block block) {
  const std::string_view bytes(reinterpret_cast<const char*>(block.data()), block.size());
  if (const auto what = describe_foreign_content(bytes)) return fmt::format("it is {}", *what);
  if (block.size() < kTarBlock) return fmt::format("it has only {} bytes", block.size());
  return "no valid tar header at byte 0";
}

// Text of a header field, up to the first NUL.
std::string_view text_field(Block block, std::size_t offset, std::size_t size) {
  const auto* first = reinterpret_cast<const char*>(block.data()) + offset;
  return {first, static_cast<std::size_t>(std::find(first, first + size, '\0') - first)};
}

// Octal digits between spaces or NULs; with the highest bit set, a big-endian binary number (base 256).
std::optional<std::uint64_t> number_field(Block block, std::size_t offset, std::size_t size) {
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint64_t>(block[offset + i]); };
  std::uint64_t value = 0;
  if (byte(0) & 0x80) {
    value = byte(0) & 0x7f;
    for (std::size_t i = 1; i < size; ++i) {
      if (value >> 55 != 0) return std::nullopt;  // negative, or more than a file can hold
      value = value << 8 | byte(i);
    }
    return value;
  }
  const std::string_view digits = trim(text_field(block, offset, size));
  for (const char digit : digits) {
    if (digit < '0' || digit > '7') return std::nullopt;
    value = value << 3 | static_cast<std::uint64_t>(digit - '0');
  }
  return value;
}

bool is_checksum_valid(Block block) {
  constexpr std::size_t kOffset = 148, kSize = 8;
  std::uint64_t unsigned_sum = 0;
  std::int64_t signed_sum = 0;  // some old writers summed signed bytes
  for (std::size_t i = 0; i < kTarBlock; ++i) {
    const auto value =
        i >= kOffset && i < kOffset + kSize ? std::uint8_t{' '} : std::to_integer<std::uint8_t>(block[i]);
    unsigned_sum += value;
    signed_sum += static_cast<std::int8_t>(value);
  }
  const auto stated = number_field(block, kOffset, kSize);
  return stated && (*stated == unsigned_sum || static_cast<std::int64_t>(*stated) == signed_sum);
}

bool is_zero(Block block) {
  return std::ranges::all_of(block, [](std::byte value) { return value == std::byte{0}; });
}

struct Header {
  std::string name;
  std::uint64_t size = 0;
  char type = '0';
};

Header parse_header(Block block, std::uint64_t offset) {
  if (!is_checksum_valid(block)) {
    if (offset == 0) throw TarError(TarDamage::bad_header, 0, describe_start(block));
    throw_bad_header(offset, "no valid tar header at byte {}");
  }
  const auto size = number_field(block, 124, 12);
  if (!size) throw_bad_header(offset, "the tar header at byte {} has no valid size");
  Header header{std::string(text_field(block, 0, 100)), *size, static_cast<char>(block[156])};
  // Only the POSIX format has a prefix; GNU's ("ustar" and two spaces) stores other things there.
  if (text_field(block, 257, 6) == "ustar") {
    if (const auto prefix = text_field(block, 345, 155); !prefix.empty()) {
      header.name = fmt::format("{}/{}", prefix, header.name);
    }
  }
  return header;
}

// What long-name and pax headers say about the member after them.
struct Extension {
  std::optional<std::string> name;
  std::optional<std::uint64_t> size;
};

// Records "LENGTH key=value\n", where the length counts the whole record.
void parse_pax(std::string_view records, std::uint64_t offset, Extension& extension) {
  while (!records.empty()) {
    const std::size_t space = records.find(' ');
    const auto length = parse_integer(records.substr(0, space));
    const bool fits = space != std::string_view::npos && length &&
                      *length > static_cast<std::int64_t>(space) + 1 &&
                      static_cast<std::size_t>(*length) <= records.size();
    if (!fits) throw_bad_header(offset, "the pax header at byte {} is damaged");
    const std::string_view record = records.substr(space + 1, static_cast<std::size_t>(*length) - space - 2);
    records.remove_prefix(static_cast<std::size_t>(*length));
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") extension.name = std::string(value);
    if (key == "size") {
      const auto size = parse_integer(value);
      if (!size || *size < 0) throw_bad_header(offset, "the pax header at byte {} is damaged");
      extension.size = static_cast<std::uint64_t>(*size);
    }
  }
}

std::uint64_t padded(std::uint64_t size) { return (size + kTarBlock - 1) / kTarBlock * kTarBlock; }

[[noreturn]] void throw_truncated(std::uint64_t header_offset, const std::string& member) {
  throw TarError(TarDamage::truncated, header_offset,
                 fmt::format("it ends inside the member '{}' at byte {}", member, header_offset), member);
}

}  // namespace

// The block at `offset_`; nullopt at the end of the archive.
std::optional<Block> TarScanner::header_block() {
  if (has_end_mark_) return std::nullopt;
  const Block block = input_.view(offset_, kTarBlock);
  if (block.size() < kTarBlock) {
    if (offset_ == 0 && block.empty()) throw TarError(TarDamage::truncated, 0, "it is empty (0 bytes)");
    if (offset_ == 0) throw TarError(TarDamage::bad_header, 0, describe_start(block));
    if (input_.end() < last_data_end_) throw_truncated(last_header_, last_name_);
    if (block.empty()) return std::nullopt;
    throw TarError(TarDamage::truncated, offset_,
                   fmt::format("it ends inside the header at byte {}", offset_));
  }
  has_end_mark_ = is_zero(block);
  if (!has_end_mark_) return block;
  if (!finds_another_archive()) return std::nullopt;
  has_end_mark_ = false;
  return input_.view(offset_, kTarBlock);
}

// Moves to the archive behind this one's end mark, if there is one, as 'cat a.tar b.tar' writes it.
bool TarScanner::finds_another_archive() {
  constexpr std::uint64_t kMaxPadding = 1 << 20;  // writers pad the last record, usually to 10 KiB
  const std::uint64_t end_mark = offset_;
  for (std::uint64_t offset = end_mark + kTarBlock; offset < end_mark + kMaxPadding; offset += kTarBlock) {
    const Block block = input_.view(offset, kTarBlock);
    if (block.size() < kTarBlock) return false;
    if (is_zero(block)) continue;
    if (!is_checksum_valid(block)) return false;
    offset_ = offset;
    return true;
  }
  return false;
}

std::optional<TarMember> TarScanner::next() {
  constexpr std::uint64_t kMaxExtensionBytes = 1 << 20;
  TarMember member;
  member.begin = offset_;
  Extension extension;
  while (const auto block = header_block()) {
    const std::uint64_t header_offset = offset_, data_offset = offset_ + kTarBlock;
    const Header header = parse_header(*block, header_offset);
    const bool is_extension =
        header.type == 'L' || header.type == 'K' || header.type == 'x' || header.type == 'g';
    const std::uint64_t size = is_extension ? header.size : extension.size.value_or(header.size);
    if (is_extension && size > kMaxExtensionBytes) {
      throw_bad_header(header_offset, "the tar header at byte {} has no valid size");
    }
    const std::string name = extension.name.value_or(header.name);
    // If the end is not known, truncation is detected when the data is read or skipped.
    if (data_offset > input_.end() || size > input_.end() - data_offset) throw_truncated(header_offset, name);
    offset_ = data_offset + padded(size);
    last_name_ = name;
    last_header_ = header_offset;
    last_data_end_ = data_offset + size;
    if (is_extension) {
      const Block bytes = input_.view(data_offset, static_cast<std::size_t>(size));
      if (bytes.size() < size) throw_truncated(header_offset, name);
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (header.type == 'L') extension.name = std::string(text.substr(0, text.find('\0')));
      if (header.type == 'x') parse_pax(text, header_offset, extension);
      continue;
    }
    const bool is_file = header.type == '0' || header.type == '\0' || header.type == '7';
    if (is_file && !name.ends_with('/')) {
      member.name = name;
      member.data_offset = data_offset;
      member.size = size;
      return member;
    }
    if (header.type == '1' || header.type == '2') ++num_links_;
    member.begin = offset_;
    extension = {};
  }
  return std::nullopt;
}

bool TarScanner::skip_damage(std::uint64_t offset) {
  for (offset_ = offset + kTarBlock; offset_ <= offset + kMaxDamage; offset_ += kTarBlock) {
    const Block block = input_.view(offset_, kTarBlock);
    if (block.size() < kTarBlock) return false;
    if (text_field(block, 257, 5) == "ustar" && is_checksum_valid(block)) return true;
  }
  return false;
}

std::vector<std::byte> TarScanner::read(const TarMember& member) {
  std::uint64_t offset = member.data_offset;
  std::vector<std::byte> bytes = read_claimed(member.size, [&](std::span<std::byte> into) {
    const std::size_t count = input_.read(offset, into);
    offset += count;
    return count;
  });
  if (bytes.size() < member.size) throw_truncated(last_header_, member.name);
  return bytes;
}

}  // namespace cloob

// Reads the members of a tar file one after the other: ustar, GNU long names, pax headers, base-256 sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cloob/base/files.h"

namespace cloob {

inline constexpr std::uint64_t kTarBlock = 512;

/// A regular file inside a tar file.
struct TarMember {
  std::string name;
  std::uint64_t begin = 0;  ///< offset of its first header, long-name and pax headers included
  std::uint64_t data_offset = 0;
  std::uint64_t size = 0;
};

enum class TarDamage { cut_short, bad_header };

/// The tar file is damaged at `offset`.
class TarError : public std::runtime_error {
 public:
  TarError(TarDamage damage, std::uint64_t offset, const std::string& message, std::string member = {})
      : std::runtime_error(message), damage_(damage), offset_(offset), member_(std::move(member)) {}
  TarDamage damage() const { return damage_; }
  std::uint64_t offset() const { return offset_; }
  /// Name of the member that is damaged; empty where it is not known.
  const std::string& member() const { return member_; }

 private:
  TarDamage damage_;
  std::uint64_t offset_;
  std::string member_;
};

/// A pass over the headers in [begin, end) of a tar file. Not thread-safe; the file may be shared.
class TarScanner {
 public:
  /// Reads `window_bytes` at a time: small where data is to be skipped, large where it is wanted too.
  TarScanner(const RandomAccessFile& file, std::uint64_t begin, std::uint64_t end, std::size_t window_bytes);

  /// The next regular file; nothing at the end of the archive. Throws TarError, and UserError when reading
  /// fails.
  std::optional<TarMember> next();
  /// The content of a member that `next` returned.
  std::vector<std::byte> read(const TarMember& member);
  /// Lets `next` go on at the first block behind the damage at `offset` that is the header of a ustar or GNU
  /// tar file. Returns false where there is none.
  bool skip_damage(std::uint64_t offset);
  /// Where `next` goes on; at the end of the archive, where the end mark begins.
  std::uint64_t offset() const { return offset_; }

 private:
  std::span<const std::byte> window_at(std::uint64_t offset, std::size_t size);
  std::vector<std::byte> read_bytes(std::uint64_t offset, std::uint64_t size);

  const RandomAccessFile& file_;
  std::uint64_t offset_;
  std::uint64_t end_;
  std::size_t window_bytes_;
  std::vector<std::byte> window_;
  std::uint64_t window_offset_ = 0;
};

}  // namespace cloob

// Reads the members of a tar file one after another: ustar, GNU long names, pax headers, base-256 sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "data/tar/tar_input.h"

namespace cloob {

inline constexpr std::uint64_t kTarBlock = 512;

/// A regular file inside a tar file.
struct TarMember {
  std::string name;
  std::uint64_t begin = 0;  ///< offset of its first header, long-name and pax headers included
  std::uint64_t data_offset = 0;
  std::uint64_t size = 0;
};

enum class TarDamage { truncated, bad_header };

/// The tar file is damaged at `offset`.
class TarError : public std::runtime_error {
 public:
  TarError(TarDamage damage, std::uint64_t offset, const std::string& message, std::string member = {})
      : std::runtime_error(message), damage_(damage), offset_(offset), member_(std::move(member)) {}
  TarDamage damage() const { return damage_; }
  std::uint64_t offset() const { return offset_; }
  /// Name of the damaged member; empty if not known.
  const std::string& member() const { return member_; }

 private:
  TarDamage damage_;
  std::uint64_t offset_;
  std::string member_;
};

/// Iterates over the members of a tar file. Not thread-safe.
class TarScanner {
 public:
  /// Starts at the header at `begin`. The input must outlive the scanner.
  explicit TarScanner(TarInput& input, std::uint64_t begin = 0) : input_(input), offset_(begin) {}

  /// The next regular file; nullopt at the end of the archive. Archives that were joined one behind the other are
  /// read as one. Throws TarError, and what the input throws.
  std::optional<TarMember> next();
  /// The content of the member that `next` returned last. Throws TarError if the input ends earlier.
  std::vector<std::byte> read(const TarMember& member);
  /// Lets `next` continue at the first block after the damage at `offset` that is a ustar or GNU tar header.
  /// Returns false if there is none within kMaxDamage: a stream of garbage may be endless.
  bool skip_damage(std::uint64_t offset);
  static constexpr std::uint64_t kMaxDamage = std::uint64_t{1} << 30;
  /// Where `next` continues; at the end of the archive, where the end mark begins.
  std::uint64_t offset() const { return offset_; }
  /// Links found so far, hard or symbolic: they have no content and are left out.
  std::int64_t num_links() const { return num_links_; }
  /// Whether the archive has ended properly, with a block of zeros.
  bool has_end_mark() const { return has_end_mark_; }

 private:
  std::optional<std::span<const std::byte>> header_block();
  bool finds_another_archive();

  TarInput& input_;
  std::uint64_t offset_;
  std::string last_name_;  // of the member that `next` returned last
  std::uint64_t last_header_ = 0, last_data_end_ = 0;
  bool has_end_mark_ = false;
  std::int64_t num_links_ = 0;
};

}  // namespace cloob

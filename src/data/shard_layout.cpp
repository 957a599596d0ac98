#include "data/shard_layout.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "data/duplicate_keys.h"
#include "data/tar_scanner.h"

namespace cloob {
namespace {

// Cuts the stream of members into samples.
class SampleCutter {
 public:
  explicit SampleCutter(ShardLayout& layout) : layout_(layout) {}

  void add(const TarMember& member) {
    MemberName name = split_member_name(member.name);
    if (name.suffix.empty()) return;
    const bool is_new =
        suffixes_.empty() || name.key != key_ || std::ranges::count(suffixes_, name.suffix) > 0;
    if (is_new) {
      // What follows a damaged member may be the rest of the same sample.
      if (!suffixes_.empty() || name.key != key_) duplicate_keys_.add(name.key);
      finish_sample();
      key_ = name.key;
      begin_at(member.begin);
    }
    suffixes_.push_back(std::move(name.suffix));
    layout_.end = member.data_offset + member.size;
  }

  void finish_sample() {
    if (suffixes_.empty()) return;
    ++layout_.kinds[join(suffixes_, ",")];
    usual_members_ = suffixes_.size();
    suffixes_.clear();
  }

  // The damage belongs to the sample at hand where it is in one of its members, or where that has fewer of
  // them yet than the one before.
  void add_damage(const TarError& error) {
    const bool is_of_this_sample =
        !suffixes_.empty() && (split_member_name(error.member()).key == std::string_view(key_) ||
                               suffixes_.size() < usual_members_);
    if (!is_of_this_sample) {
      finish_sample();
      begin_at(error.offset());
    }
    suffixes_.clear();
    layout_.damage[static_cast<std::int64_t>(begins_->size()) - 1] = error.what();
    layout_.end = std::max(layout_.end, error.offset());
  }

  void finish() {
    finish_sample();
    layout_.begins = *begins_;
    layout_.memory = begins_;
  }

 private:
  void begin_at(std::uint64_t offset) {
    const std::uint64_t block = offset / kTarBlock;
    if (block > UINT32_MAX) throw_user_error("a shard of more than 2 TiB cannot be read");
    begins_->push_back(static_cast<std::uint32_t>(block));
  }

  ShardLayout& layout_;
  DuplicateKeys duplicate_keys_{layout_.duplicate_keys};
  std::shared_ptr<std::vector<std::uint32_t>> begins_ = std::make_shared<std::vector<std::uint32_t>>();
  std::string key_;
  std::vector<std::string> suffixes_;
  std::size_t usual_members_ = 0;  // of the sample before
};

[[noreturn]] void throw_not_a_tar_file(const RandomAccessFile& file, const TarError& error) {
  std::vector<std::byte> magic(2);
  file.read(0, magic);
  if (magic[0] == std::byte{0x1f} && magic[1] == std::byte{0x8b}) {
    throw_user_error("'{}' is compressed by gzip: unpack it first, shards are read as plain .tar",
                     file.path().string());
  }
  throw_user_error("'{}' is not a tar file: {}", file.path().string(), error.what());
}

void warn_about_the_end(const RandomAccessFile& file, const TarScanner& scanner, ShardLayout& layout) {
  constexpr std::uint64_t kMostPadding = 1 << 20;  // writers fill up their last record, 10 KiB by habit
  layout.has_end_mark = scanner.offset() < file.size();
  // The padding behind the last member may be missing.
  const std::uint64_t unread = file.size() > scanner.offset() ? file.size() - scanner.offset() : 0;
  if (unread > kMostPadding) {
    log_warning("data",
                "'{}' has {} behind its end mark that are not read: are these several tar files joined?",
                file.path().string(), human_bytes(unread));
  }
}

}  // namespace

MemberName split_member_name(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t base = slash == std::string_view::npos ? 0 : slash + 1;
  const std::size_t dot = name.find('.', base);
  if (dot == std::string_view::npos || dot == base) return {name, ""};
  return {name.substr(0, dot), to_lower_ascii(name.substr(dot + 1))};
}

ShardLayout scan_shard(const std::filesystem::path& path) {
  constexpr std::size_t kWindowBytes = 16 << 10;  // skips large images, reads small ones along
  const RandomAccessFile file(path);
  ShardLayout layout;
  SampleCutter cutter(layout);
  TarScanner scanner(file, 0, file.size(), kWindowBytes);
  for (bool is_over = false; !is_over;) {
    try {
      if (file.size() == 0) throw TarError(TarDamage::cut_short, 0, "it is empty (0 bytes)");
      while (const auto member = scanner.next()) cutter.add(*member);
      warn_about_the_end(file, scanner, layout);
      is_over = true;
    } catch (const TarError& error) {
      if (error.offset() == 0 && error.damage() == TarDamage::bad_header) throw_not_a_tar_file(file, error);
      cutter.add_damage(error);
      is_over = error.damage() == TarDamage::cut_short || !scanner.skip_damage(error.offset());
    }
  }
  cutter.finish();
  return layout;
}

}  // namespace cloob

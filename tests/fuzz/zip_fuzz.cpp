// Arbitrary bytes as a zip archive with images.
#include "cloob/data/bad_samples.h"
#include "cloob/data/limits.h"
#include "data/table/zip_files.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;

// Deflate makes at most about a thousand bytes of one.
constexpr std::size_t kMaxExpansion = 1100;

void check_member(const ZipMember& member, std::size_t archive_bytes) {
  const ZipFiles files;
  const bool contains = files.contains(member);
  try {
    const std::vector<std::byte> content = files.read(member);
    require(contains, "a member that can be read is contained");
    require(content.size() <= kMaxEncodedBytes, "a member is not larger than allowed");
    require(content.size() <= kMaxExpansion * archive_bytes,
            "a member is not larger than its archive can hold");
    require(files.read(member) == content, "a member has the same content again");
  } catch (const BadSample& bad) {
    require(bad.kind() == BadKind::missing_file || bad.kind() == BadKind::unreadable ||
                bad.kind() == BadKind::too_large,
            "a member that cannot be read is missing, unreadable or too large");
  }
}

}  // namespace
}  // namespace cloob

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloob;
  static fuzz::MemoryFile file;
  file.assign(fuzz::as_bytes(data, size));
  for (const char* name : {"a.jpg", "b/c.png", ""}) check_member({file.path(), name}, size);
  return 0;
}

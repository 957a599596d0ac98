#include "cloob/base/memory.h"

#include <cstddef>
#include <vector>

#include "support/support.h"

namespace cloob {
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;

// The address sanitizer delays the reuse of freed memory.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kFreedMemoryIsReturned = false;
#else
constexpr bool kFreedMemoryIsReturned = true;
#endif

// Pages count as resident once they are written to.
std::vector<std::byte> occupy(std::uint64_t bytes) { return std::vector<std::byte>(bytes, std::byte{1}); }

TEST(RssBytes, GrowWithAllocationsAndKeepThePeak) {
  const std::uint64_t before = current_rss_bytes();
  {
    const std::vector<std::byte> held = occupy(64 * kMebibyte);
    EXPECT_GT(current_rss_bytes(), before + 60 * kMebibyte);
  }
  if (kFreedMemoryIsReturned) {
    EXPECT_LT(current_rss_bytes(), before + 32 * kMebibyte);
  }
  EXPECT_GT(peak_rss_bytes(), before + 60 * kMebibyte);
}

TEST(AnonymousBytes, GrowWithAllocationsAndAreAPartOfTheRest) {
  const std::uint64_t before = current_anonymous_bytes();
  const std::vector<std::byte> held = occupy(64 * kMebibyte);
  EXPECT_GT(current_anonymous_bytes(), before + 60 * kMebibyte);
  EXPECT_LE(current_anonymous_bytes(), current_rss_bytes());
}

TEST(ResetPeakRss, DiscardsAnEarlierPeak) {
  occupy(64 * kMebibyte);
  const std::uint64_t peak = peak_rss_bytes();
  if (!reset_peak_rss()) GTEST_SKIP() << "the kernel does not permit a reset";
  if (kFreedMemoryIsReturned) {
    EXPECT_LT(peak_rss_bytes(), peak - 32 * kMebibyte);
  }
}

}  // namespace
}  // namespace cloob

#include "fuzz_support.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "cloob/base/log.h"

namespace cloob::fuzz {

void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "property violated: %s\n", property);
  std::abort();
}

MemoryFile::MemoryFile()
    : descriptor_(::memfd_create("input", MFD_CLOEXEC)),
      path_("/proc/self/fd/" + std::to_string(descriptor_)) {
  require(descriptor_ >= 0, "a file in memory can be created");
}

MemoryFile::~MemoryFile() { ::close(descriptor_); }

void MemoryFile::assign(std::span<const std::byte> content) {
  const auto size = static_cast<ssize_t>(content.size());
  require(::ftruncate(descriptor_, 0) == 0 &&
              (size == 0 || ::pwrite(descriptor_, content.data(), content.size(), 0) == size),
          "a file in memory can be written");
}

}  // namespace cloob::fuzz

// Called once by libFuzzer. Otherwise, most of the output would be warnings about the data.
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  cloob::set_log_level(cloob::LogLevel::error);
  return 0;
}

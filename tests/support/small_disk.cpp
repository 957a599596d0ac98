#include "support/small_disk.h"

#include <sys/mount.h>

#include <utility>

namespace cloob::testing {
namespace {

bool mount_tmpfs(const std::filesystem::path& folder, const std::string& size, unsigned long flags) {
  return ::mount("tmpfs", folder.c_str(), "tmpfs", flags, ("size=" + size).c_str()) == 0;
}

}  // namespace

SmallDisk::SmallDisk(std::filesystem::path folder, const std::string& size) : folder_(std::move(folder)) {
  std::filesystem::create_directory(folder_);
  mounted_ = mount_tmpfs(folder_, size, 0);
}

SmallDisk::~SmallDisk() {
  if (mounted_) ::umount(folder_.c_str());
}

bool SmallDisk::resize(const std::string& size) const { return mount_tmpfs(folder_, size, MS_REMOUNT); }

}  // namespace cloob::testing

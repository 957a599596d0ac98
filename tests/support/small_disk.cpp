#include "support/small_disk.h"

#include <sys/mount.h>

#include <utility>

namespace cloob::testing {
namespace {

bool mount_tmpfs(const std::filesystem::path& place, const std::string& size, unsigned long flags) {
  return ::mount("tmpfs", place.c_str(), "tmpfs", flags, ("size=" + size).c_str()) == 0;
}

}  // namespace

SmallDisk::SmallDisk(std::filesystem::path place, const std::string& size) : place_(std::move(place)) {
  std::filesystem::create_directory(place_);
  mounted_ = mount_tmpfs(place_, size, 0);
}

SmallDisk::~SmallDisk() {
  if (mounted_) ::umount(place_.c_str());
}

bool SmallDisk::resize(const std::string& size) const { return mount_tmpfs(place_, size, MS_REMOUNT); }

}  // namespace cloob::testing

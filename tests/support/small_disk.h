#pragma once

#include <filesystem>
#include <string>

namespace cloob::testing {

/// A file system of its own in a folder, which is made, until the end of the object. Mounting one needs root:
/// a test has to ask `mounted`.
class SmallDisk {
 public:
  /// `size` as tmpfs takes it: "8k", "1m".
  SmallDisk(std::filesystem::path place, const std::string& size);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  /// Whether the file system now has another size.
  bool resize(const std::string& size) const;

 private:
  std::filesystem::path place_;
  bool mounted_ = false;
};

}  // namespace cloob::testing

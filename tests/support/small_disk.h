#pragma once

#include <filesystem>
#include <string>

namespace cloob::testing {

/// A small file system, mounted on a folder that it creates, until the object is destroyed. Mounting needs
/// root: a test must check `mounted`.
class SmallDisk {
 public:
  /// `size` as tmpfs takes it: "8k", "1m".
  SmallDisk(std::filesystem::path folder, const std::string& size);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  /// Changes the size of the file system; returns whether that succeeded.
  bool resize(const std::string& size) const;

 private:
  std::filesystem::path folder_;
  bool mounted_ = false;
};

}  // namespace cloob::testing

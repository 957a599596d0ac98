#pragma once

#include <filesystem>
#include <string_view>

namespace cloob {

/// A file that grows at its end; created when absent. Every call writes through to the system. Failures are
/// UserErrors.
class AppendFile {
 public:
  explicit AppendFile(std::filesystem::path path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void append(std::string_view bytes);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace cloob

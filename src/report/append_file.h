#pragma once

#include <filesystem>
#include <string_view>

namespace cloob {

/// A file opened for appending; created if missing. Writes are unbuffered. Failures are UserErrors.
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

#include "report/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "cloob/base/error.h"
#include "cloob/base/files.h"

namespace cloob {

AppendFile::AppendFile(std::filesystem::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    throw_user_error("cannot open '{}' for writing: {}", path_.string(), describe_errno(errno));
}

AppendFile::~AppendFile() { ::close(descriptor_); }

void AppendFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_user_error("cannot write '{}': {}", path_.string(), describe_errno(errno));
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace cloob

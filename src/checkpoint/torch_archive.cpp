#include "checkpoint/torch_archive.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <utility>

#include "checkpoint/pickle_machine.h"
#include "checkpoint/printable.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/first_bytes.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

constexpr std::uint64_t kMaxPickleBytes = std::uint64_t{64} << 20;  // 10,000 tensors need less than 4 MiB

// Clear messages for the formats before the zip archive, and for files that are not from PyTorch.
const std::filesystem::path& checked_archive(const std::filesystem::path& path) {
  constexpr std::size_t kHeadBytes = 512;  // a tar header
  const std::string head = first_bytes_of(path, kHeadBytes);
  if (head.starts_with("PK\3\4")) return path;
  // The old format begins with a pickle of the number 0x1950a86a20f9469cfc6c; even older files are tar
  // archives.
  const std::string_view kOldMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
  if (std::string_view(head).substr(0, 16).find(kOldMagic) != std::string_view::npos ||
      (head.size() > 262 && std::string_view(head).substr(257, 5) == "ustar")) {
    throw_user_error(
        "'{}' is in the format of torch.save before PyTorch 1.6, which is not supported; convert it with "
        "PyTorch: torch.save(torch.load(file, map_location='cpu', weights_only=True), new_file)",
        path.string());
  }
  throw_user_error("'{}' is neither a safetensors file nor an archive of torch.save{}", path.string(),
                   head.empty() ? ": it is empty" : "");
}

}  // namespace

TorchArchive::TorchArchive(const std::filesystem::path& path)
    : file(path.string()), archive(checked_archive(path)) {
  find_folder();
  check_byte_order();
  run();
}

void TorchArchive::find_folder() {
  const std::string kPickle = "data.pkl";
  for (const auto& [name, size] : archive.sizes()) {
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos || name.substr(slash + 1) != kPickle) continue;
    if (size > kMaxPickleBytes) {
      throw_user_error("'{}': its data.pkl has {}, more than the limit of {}", file, human_bytes(size),
                       human_bytes(kMaxPickleBytes));
    }
    folder = name.substr(0, slash + 1);
    return;
  }
  throw_user_error(
      "'{}' is a zip archive, but not one of torch.save: it has no data.pkl, or a compressed one", file);
}

void TorchArchive::check_byte_order() const {
  const std::string name = folder + "byteorder";
  const auto found = archive.sizes().find(name);
  if (found == archive.sizes().end()) return;
  const std::string order = found->second > 16 ? "?" : archive.read(name);
  if (order != "little") {
    throw_user_error(
        "'{}' was written on a machine with byte order {}, which is not supported; save it again on a "
        "little-endian machine",
        file, in_quotes(order));
  }
}

void TorchArchive::run() {
  std::map<std::string, std::uint64_t> storage_bytes;
  const std::string prefix = folder + "data/";
  for (const auto& [name, size] : archive.sizes()) {
    if (name.starts_with(prefix)) storage_bytes.emplace(name.substr(prefix.size()), size);
  }
  PickleBuilder builder(file, std::move(storage_bytes), arena);
  root = run_pickle(archive.read(folder + "data.pkl"), builder);
}

}  // namespace cloob

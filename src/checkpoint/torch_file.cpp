#include "cloob/checkpoint/torch_file.h"

#include <ATen/ops/empty.h>
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "checkpoint/pickle_machine.h"
#include "checkpoint/printable.h"
#include "checkpoint/tensor_bytes.h"
#include "checkpoint/zip_archive.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

constexpr std::uint64_t kMaxPickleBytes = std::uint64_t{64} << 20;  // 10,000 tensors need less than 4 MiB

// Clear messages for the formats before the zip archive, and for files that are not from PyTorch.
void check_begins_as_archive(const std::filesystem::path& path) {
  const RandomAccessFile file(path);
  std::string head(std::min<std::uint64_t>(file.size(), 512), '\0');
  file.read(0, std::as_writable_bytes(std::span(head.data(), head.size())));
  if (head.starts_with("PK\3\4")) return;
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

const PickleValue* PickleNode::find(std::string_view key) const {
  // Backwards, because in Python the last value of a duplicate key counts.
  const auto found = std::find_if(entries.rbegin(), entries.rend(), [&](const auto& entry) {
    const PickleNode* const name = as_node(entry.first, Kind::text);
    return name && name->text == key;
  });
  return found == entries.rend() ? nullptr : &found->second;
}

const PickleNode* as_node(const PickleValue& value, PickleNode::Kind kind) {
  const auto* const node = std::get_if<const PickleNode*>(&value);
  return node && (*node)->kind == kind ? *node : nullptr;
}

struct TorchFile::Content {
  explicit Content(const std::filesystem::path& path) : file(path.string()), archive(path) {}

  std::string file;  // for messages
  ZipArchive archive;
  std::string folder;  // common prefix of all entries; ends in '/'
  PickleArena arena;
  PickleValue root;

  void find_folder();
  void check_byte_order() const;
  void run();
  at::Tensor read_storage(const PickleTensor& tensor) const;
};

void TorchFile::Content::find_folder() {
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

void TorchFile::Content::check_byte_order() const {
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

void TorchFile::Content::run() {
  std::map<std::string, std::uint64_t> storage_bytes;
  const std::string prefix = folder + "data/";
  for (const auto& [name, size] : archive.sizes()) {
    if (name.starts_with(prefix)) storage_bytes.emplace(name.substr(prefix.size()), size);
  }
  PickleBuilder builder(file, std::move(storage_bytes), arena);
  root = run_pickle(archive.read(folder + "data.pkl"), builder);
}

// All elements of the tensor's storage, flat.
at::Tensor TorchFile::Content::read_storage(const PickleTensor& tensor) const {
  const std::string name = folder + "data/" + tensor.storage;
  const auto count = archive.sizes().at(name) / c10::elementSize(tensor.dtype);
  const at::Tensor storage =
      at::empty(static_cast<std::int64_t>(count), at::TensorOptions().dtype(tensor.dtype));
  archive.read(name, bytes_of(storage));
  if (!has_valid_bools(storage)) {
    throw_user_error("'{}' is damaged: its storage {} contains a boolean that is neither 0 nor 1", file,
                     in_quotes(tensor.storage));
  }
  return storage;
}

TorchFile::TorchFile(const std::filesystem::path& path) {
  check_begins_as_archive(path);
  content_ = std::make_unique<Content>(path);
  content_->find_folder();
  content_->check_byte_order();
  content_->run();
}

TorchFile::~TorchFile() = default;

const PickleValue& TorchFile::root() const { return content_->root; }

bool TorchFile::is_torchscript() const { return as_node(root(), PickleNode::Kind::object) != nullptr; }

NamedTensors TorchFile::load(const std::map<std::string, const PickleTensor*>& tensors) const {
  std::map<std::string_view, at::Tensor> storages;
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) {
    at::Tensor& storage = storages[tensor->storage];
    if (!storage.defined()) storage = content_->read_storage(*tensor);
    if (storage.scalar_type() != tensor->dtype) {
      throw_user_error("'{}' is damaged: its storage {} is used with two types", content_->file,
                       in_quotes(tensor->storage));
    }
    result[name] = storage.as_strided(tensor->sizes, tensor->strides, tensor->offset);
  }
  return result;
}

}  // namespace cloob

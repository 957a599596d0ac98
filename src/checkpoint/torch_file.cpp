#include "cloob/checkpoint/torch_file.h"

#include <ATen/ops/empty.h>

#include <map>

#include "checkpoint/printable.h"
#include "checkpoint/tensor_bytes.h"
#include "checkpoint/torch_archive.h"
#include "cloob/base/error.h"

namespace cloob {

struct TorchFile::Content {
  explicit Content(const std::filesystem::path& path) : opened(path) {}

  TorchArchive opened;
};

namespace {

// All elements of the tensor's storage, flat.
at::Tensor read_storage(const TorchArchive& opened, const PickleTensor& tensor) {
  const std::string name = opened.folder + "data/" + tensor.storage;
  const auto count = opened.archive.sizes().at(name) / c10::elementSize(tensor.dtype);
  const at::Tensor storage =
      at::empty(static_cast<std::int64_t>(count), at::TensorOptions().dtype(tensor.dtype));
  opened.archive.read(name, bytes_of(storage));
  if (!has_valid_bools(storage)) {
    throw_user_error("'{}' is damaged: its storage {} contains a boolean that is neither 0 nor 1",
                     opened.file, in_quotes(tensor.storage));
  }
  return storage;
}

}  // namespace

TorchFile::TorchFile(const std::filesystem::path& path) : content_(std::make_unique<Content>(path)) {}

TorchFile::~TorchFile() = default;

const PickleValue& TorchFile::root() const { return content_->opened.root; }

bool TorchFile::is_torchscript() const { return as_node(root(), PickleNode::Kind::object) != nullptr; }

NamedTensors TorchFile::load(const std::map<std::string, const PickleTensor*>& tensors) const {
  std::map<std::string_view, at::Tensor> storages;
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) {
    at::Tensor& storage = storages[tensor->storage];
    if (!storage.defined()) storage = read_storage(content_->opened, *tensor);
    if (storage.scalar_type() != tensor->dtype) {
      throw_user_error("'{}' is damaged: its storage {} is used with two types", content_->opened.file,
                       in_quotes(tensor->storage));
    }
    result[name] = storage.as_strided(tensor->sizes, tensor->strides, tensor->offset);
  }
  return result;
}

}  // namespace cloob

// A file that holds weights, in any of the formats that are read: its tensors under the names that they have
// in it.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/base/named_tensors.h"

namespace cloob {

struct TensorInfo {
  at::ScalarType dtype;
  std::vector<std::int64_t> shape;
};

class WeightsFile {
 public:
  virtual ~WeightsFile() = default;
  /// "safetensors", "torch.save" or "TorchScript".
  virtual std::string_view format() const = 0;
  /// What `load` would give, without reading it.
  virtual std::map<std::string, TensorInfo> list() const = 0;
  virtual NamedTensors load() const = 0;
  /// Plain values that lie beside the tensors.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// What else lies beside them and is not read.
  const std::vector<std::string>& notes() const { return notes_; }

 protected:
  std::map<std::string, std::string> metadata_;
  std::vector<std::string> notes_;
};

/// Opens a file by what is in it, not by its name.
std::unique_ptr<WeightsFile> open_weights(const std::filesystem::path& path);

}  // namespace cloob

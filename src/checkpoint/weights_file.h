// A file with weights in any of the supported formats: its tensors by their names in the file.
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
  /// The tensors that `load` returns, without reading them.
  virtual std::map<std::string, TensorInfo> list() const = 0;
  virtual NamedTensors load() const = 0;
  /// Scalars and strings stored next to the tensors.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// Descriptions of other content that was skipped.
  const std::vector<std::string>& notes() const { return notes_; }

 protected:
  std::map<std::string, std::string> metadata_;
  std::vector<std::string> notes_;
};

/// Opens a file; the format is detected from its content, not from its name.
std::unique_ptr<WeightsFile> open_weights(const std::filesystem::path& path);

}  // namespace cloob

// Files of torch.save and torch.jit.save (.pt, .pth, .bin), read as plain data. No code of a file is ever
// run.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cloob/base/named_tensors.h"

namespace cloob {

struct PickleNode;

/// Where the elements of a tensor lie; `TorchFile::load` reads them.
struct PickleTensor {
  std::string storage;  // the record of the archive
  at::ScalarType dtype;
  std::int64_t offset;  // in elements; it, the sizes and the strides stay inside the storage
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
};

/// Python's None, bool, int, float, a tensor or one of the values that are shared by reference. Integers of
/// more than 64 bits become the nearest double.
using PickleValue =
    std::variant<std::monostate, bool, std::int64_t, double, const PickleTensor*, const PickleNode*>;

/// A text, a container or an object. Objects of a TorchScript archive are their attributes and the name of
/// their class.
struct PickleNode {
  enum class Kind { text, bytes, list, tuple, set, dictionary, object, global };
  Kind kind;
  std::string text;  // of text and bytes; of an object its class; of a global its name ("torch.float32")
  std::vector<PickleValue> items;                            // of list, tuple and set
  std::vector<std::pair<PickleValue, PickleValue>> entries;  // of dictionary and object

  /// The value of a text key, or null.
  const PickleValue* find(std::string_view key) const;
};

/// The node behind a value when it is of this kind, or null.
const PickleNode* as_node(const PickleValue& value, PickleNode::Kind kind);

/// One opened archive. Values refer to it and live as long as it does.
///
/// Tensors, numbers, truth values, texts, bytes, lists, tuples, sets and dictionaries are built; a pickle
/// that asks for anything else is refused with its name. Hostile files are expected: sizes, nesting and
/// memory are bounded. Every failure is a UserError of one line that names the file.
class TorchFile {
 public:
  explicit TorchFile(const std::filesystem::path& path);
  ~TorchFile();
  TorchFile(const TorchFile&) = delete;
  TorchFile& operator=(const TorchFile&) = delete;

  const PickleValue& root() const;
  /// Whether torch.jit.save made it: then the root is the module as an object.
  bool is_torchscript() const;
  /// Reads tensors and compares their checksums. Those of one storage share their memory, as they did when
  /// saved; the file keeps none of it.
  NamedTensors load(const std::map<std::string, const PickleTensor*>& tensors) const;

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace cloob

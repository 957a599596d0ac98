// Files of torch.save and torch.jit.save (.pt, .pth, .bin), read as plain data. Code in a file is never
// executed.
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

/// Location of a tensor's elements; `TorchFile::load` reads them.
struct PickleTensor {
  std::string storage;  // the record in the archive
  at::ScalarType dtype;
  std::int64_t offset;  // in elements; offset, sizes and strides stay inside the storage
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
};

/// Python's None, bool, int, float, a tensor or a value that is shared by reference. Integers of more than 64
/// bits become the nearest double.
using PickleValue =
    std::variant<std::monostate, bool, std::int64_t, double, const PickleTensor*, const PickleNode*>;

/// A string, a container or an object. Objects of a TorchScript archive consist of their attributes and the
/// name of their class.
struct PickleNode {
  /// `opaque` is a value that only Python code could build (an argparse.Namespace, a NumPy scalar): it can be skipped,
  /// and nothing is known about it but its name.
  enum class Kind { text, bytes, list, tuple, set, dictionary, object, global, opaque };
  Kind kind;
  std::string
      text;  // of text and bytes; of an object its class; of a global or an opaque value its name ("torch.float32")
  std::vector<PickleValue> items;                            // of list, tuple and set
  std::vector<std::pair<PickleValue, PickleValue>> entries;  // of dictionary and object

  /// The value of a text key, or null.
  const PickleValue* find(std::string_view key) const;
};

/// The node of a value if it is of this kind, or null.
const PickleNode* as_node(const PickleValue& value, PickleNode::Kind kind);

/// One opened archive. Values refer to it and must not outlive it.
///
/// Tensors, numbers, booleans, strings, bytes, lists, tuples, sets and dictionaries are read; anything else becomes an
/// opaque value, which is never built. Malicious files are expected: sizes, nesting and memory are bounded. Every failure
/// is a UserError of one line that names the file.
class TorchFile {
 public:
  explicit TorchFile(const std::filesystem::path& path);
  ~TorchFile();
  TorchFile(const TorchFile&) = delete;
  TorchFile& operator=(const TorchFile&) = delete;

  const PickleValue& root() const;
  /// Whether torch.jit.save wrote it: then the root is the module, an object.
  bool is_torchscript() const;
  /// Reads tensors and verifies their checksums. Tensors of one storage share memory, as they did when saved;
  /// the TorchFile keeps no reference to it.
  NamedTensors load(const std::map<std::string, const PickleTensor*>& tensors) const;

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace cloob

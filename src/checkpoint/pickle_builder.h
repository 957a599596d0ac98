// What a pickle may build: values, and the few Python names that represent data.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "cloob/checkpoint/torch_file.h"

namespace cloob {

/// Owns everything that the values of one pickle point to. References between containers may be cyclic.
struct PickleArena {
  std::deque<PickleNode> nodes;
  std::deque<PickleTensor> tensors;
};

class PickleBuilder {
 public:
  /// `storage_bytes`: sizes of the storages that the archive holds, by their keys. `path` is for messages.
  PickleBuilder(std::string path, std::map<std::string, std::uint64_t> storage_bytes, PickleArena& arena);

  [[noreturn]] void throw_damaged(const std::string& what) const;

  /// Counts values that are about to be copied, created or stored. Their total is limited, because a few
  /// bytes of a pickle can request a huge number of values.
  void spend(std::size_t num_values);
  PickleNode& node(PickleNode::Kind kind);
  /// The Python name `module.name`.
  PickleValue global(const std::string& name);
  /// The result of calling such a name with a tuple of arguments: opaque unless the name represents data.
  PickleValue call(const PickleValue& function, const PickleValue& arguments);
  /// An object of a TorchScript class, without attributes yet; of any other class an opaque value.
  PickleValue object(const PickleValue& type);
  /// A value that stands for something that is not built.
  PickleValue opaque(const std::string& name);
  /// The storage named by a persistent id ('storage', type, key, location, number of elements), as a flat
  /// tensor; opaque if the type is unknown.
  PickleValue storage(const PickleValue& id);

 private:
  using Items = std::vector<PickleValue>;
  using Call = PickleValue (PickleBuilder::*)(const Items&);
  static const std::map<std::string_view, Call>& calls();

  PickleNode& named_node(PickleNode::Kind kind, const std::string& name);
  PickleValue first(const Items& arguments);
  PickleValue all(const Items& arguments);
  PickleValue dictionary(const Items& arguments);
  PickleValue empty_dictionary(const Items& arguments);
  PickleValue set(const Items& arguments);
  PickleValue tensor(const Items& arguments);

  std::vector<std::int64_t> dimensions(const PickleValue& value);
  void check_bounds(const PickleTensor& tensor, std::int64_t num_stored) const;

  std::string path_;
  std::map<std::string, std::uint64_t> storage_bytes_;
  PickleArena& arena_;
  std::size_t num_spent_ = 0;
};

}  // namespace cloob

// The first byte chooses: 0 and then a file of torch.save, or anything else and then its pickle alone, because an archive
// has checksums, which a fuzzer does not get right. In both cases everything but the elements of tensors is read.
#include <c10/core/ScalarType.h>

#include <map>

#include "checkpoint/pickle_machine.h"
#include "checkpoint/state_dict.h"
#include "checkpoint/torch_archive.h"
#include "cloob/base/error.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;
using Sizes = std::map<std::string, std::uint64_t>;

void check_tensors(const PickleArena& arena, const Sizes& storages) {
  for (const PickleTensor& tensor : arena.tensors) {
    const auto storage = storages.find(tensor.storage);
    require(storage != storages.end(), "a tensor has a storage");
    require(tensor.sizes.size() == tensor.strides.size(), "every dimension has a stride");
    __int128 end = tensor.offset + 1;
    bool is_empty = false;
    for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
      require(tensor.sizes[i] >= 0 && tensor.strides[i] >= 0, "sizes and strides are not negative");
      is_empty = is_empty || tensor.sizes[i] == 0;
      end += static_cast<__int128>(tensor.sizes[i] - 1) * tensor.strides[i];
    }
    require(is_empty || end * static_cast<__int128>(c10::elementSize(tensor.dtype)) <= storage->second,
            "a tensor is inside its storage");
  }
}

// What the weights are chosen from.
void check_state_dict(const PickleValue& root) {
  const PickleNode* const dictionary = as_node(root, PickleNode::Kind::dictionary);
  if (!dictionary) return;
  const StateDict found = find_state_dict("x.pt", *dictionary);
  require(!found.dictionary || found.dictionary->kind == PickleNode::Kind::dictionary,
          "weights are in a dictionary");
}

void check_pickle(std::string_view pickle) {
  const Sizes storages = {{"0", 64}, {"1", 4}, {"w", 40}};
  PickleArena arena;
  PickleBuilder builder("x.pt", storages, arena);
  const PickleValue root = run_pickle(pickle, builder);
  check_tensors(arena, storages);
  check_state_dict(root);
}

void check_file(std::span<const std::byte> bytes) {
  static fuzz::MemoryFile file;
  file.assign(bytes);
  const TorchArchive opened(file.path());
  Sizes storages;
  const std::string prefix = opened.folder + "data/";
  for (const auto& [name, size] : opened.archive.sizes()) {
    if (name.starts_with(prefix)) storages.emplace(name.substr(prefix.size()), size);
  }
  check_tensors(opened.arena, storages);
  check_state_dict(opened.root);
}

}  // namespace
}  // namespace cloob

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto rest = cloob::fuzz::as_bytes(data + 1, size - 1);
  try {
    if (data[0] == 0) {
      cloob::check_file(rest);
    } else {
      cloob::check_pickle({reinterpret_cast<const char*>(rest.data()), rest.size()});
    }
  } catch (const cloob::UserError&) {
  }
  return 0;
}

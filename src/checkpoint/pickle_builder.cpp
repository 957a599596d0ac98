#include "checkpoint/pickle_builder.h"

#include <c10/core/ScalarType.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "checkpoint/printable.h"
#include "cloob/base/error.h"

namespace cloob {
namespace {

using Kind = PickleNode::Kind;

// A checkpoint of 10,000 tensors with their optimizer state needs 2.4 million.
constexpr std::size_t kMaxValues = 4'000'000;
constexpr std::size_t kValueBytes = 50;     // approximate maximum size of each
constexpr std::size_t kMaxDimensions = 64;  // LibTorch's limit
constexpr std::string_view kTorchScriptPrefix = "__torch__.";

constexpr std::array<std::pair<std::string_view, at::ScalarType>, 10> kStorages = {{
    {"torch.DoubleStorage", at::kDouble},
    {"torch.FloatStorage", at::kFloat},
    {"torch.HalfStorage", at::kHalf},
    {"torch.BFloat16Storage", at::kBFloat16},
    {"torch.LongStorage", at::kLong},
    {"torch.IntStorage", at::kInt},
    {"torch.ShortStorage", at::kShort},
    {"torch.CharStorage", at::kChar},
    {"torch.ByteStorage", at::kByte},
    {"torch.BoolStorage", at::kBool},
}};

std::optional<at::ScalarType> storage_dtype(std::string_view name) {
  for (const auto& [storage, dtype] : kStorages) {
    if (storage == name) return dtype;
  }
  return std::nullopt;
}

// The largest index of the tensor in its storage, plus one; nullopt when it does not fit 64 bits.
std::optional<std::int64_t> span_of(const PickleTensor& tensor) {
  std::int64_t last = tensor.offset;
  for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
    if (tensor.sizes[i] == 0) return tensor.offset;
    std::int64_t step = 0;
    if (__builtin_mul_overflow(tensor.sizes[i] - 1, tensor.strides[i], &step) ||
        __builtin_add_overflow(last, step, &last)) {
      return std::nullopt;
    }
  }
  std::int64_t end = 0;
  return __builtin_add_overflow(last, std::int64_t{1}, &end) ? std::nullopt : std::optional(end);
}

// Whether LibTorch can count the elements and their bytes without overflow. Zero sizes are skipped, because
// the computation of strides ignores them.
bool is_countable(const PickleTensor& tensor) {
  std::int64_t product = static_cast<std::int64_t>(c10::elementSize(tensor.dtype));
  return std::none_of(tensor.sizes.begin(), tensor.sizes.end(), [&](std::int64_t size) {
    return size != 0 && __builtin_mul_overflow(product, size, &product);
  });
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

PickleBuilder::PickleBuilder(std::string path, std::map<std::string, std::uint64_t> storage_bytes,
                             PickleArena& arena)
    : path_(std::move(path)), storage_bytes_(std::move(storage_bytes)), arena_(arena) {}

void PickleBuilder::throw_damaged(const std::string& what) const {
  throw_user_error("'{}' is damaged: {}; copy or download it again", path_, what);
}

void PickleBuilder::spend(std::size_t num_values) {
  num_spent_ += num_values;
  if (num_spent_ > kMaxValues) throw_user_error("'{}' contains more than {} values", path_, kMaxValues);
}

PickleNode& PickleBuilder::node(Kind kind) {
  spend(2);
  return arena_.nodes.emplace_back(PickleNode{kind, {}, {}, {}});
}

// A node with a name, which a pickle can repeat with a few bytes: its length is charged, too.
PickleNode& PickleBuilder::named_node(Kind kind, const std::string& name) {
  spend(name.size() / kValueBytes);
  PickleNode& result = node(kind);
  result.text = name;
  return result;
}

const std::map<std::string_view, PickleBuilder::Call>& PickleBuilder::calls() {
  static const std::map<std::string_view, Call> kCalls = {
      {"collections.OrderedDict", &PickleBuilder::dictionary},
      {"collections.defaultdict", &PickleBuilder::empty_dictionary},
      {"torch._utils._rebuild_tensor_v2", &PickleBuilder::tensor},
      {"torch._utils._rebuild_parameter", &PickleBuilder::first},
      {"torch._utils._rebuild_parameter_with_state", &PickleBuilder::first},
      {"torch.Size", &PickleBuilder::first},
      {"torch.device", &PickleBuilder::all},
      {"__builtin__.set", &PickleBuilder::set},
      {"builtins.set", &PickleBuilder::set},
      {"torch.jit._pickle.restore_type_tag", &PickleBuilder::first},
      {"torch.jit._pickle.build_intlist", &PickleBuilder::first},
      {"torch.jit._pickle.build_doublelist", &PickleBuilder::first},
      {"torch.jit._pickle.build_boollist", &PickleBuilder::first},
      {"torch.jit._pickle.build_tensorlist", &PickleBuilder::first},
  };
  return kCalls;
}

PickleValue PickleBuilder::global(const std::string& name) { return &named_node(Kind::global, name); }

PickleValue PickleBuilder::opaque(const std::string& name) { return &named_node(Kind::opaque, name); }

PickleValue PickleBuilder::call(const PickleValue& function, const PickleValue& arguments) {
  if (const PickleNode* const unknown = as_node(function, Kind::opaque)) return opaque(unknown->text);
  const PickleNode* const name = as_node(function, Kind::global);
  const PickleNode* const tuple = as_node(arguments, Kind::tuple);
  if (!name || !tuple) throw_damaged("its pickle calls a value that is not a function");
  const auto found = calls().find(name->text);
  if (found == calls().end()) return opaque(name->text);
  spend(tuple->items.size());
  return (this->*found->second)(tuple->items);
}

PickleValue PickleBuilder::object(const PickleValue& type) {
  const PickleNode* name = as_node(type, Kind::global);
  if (!name) name = as_node(type, Kind::opaque);
  if (!name) throw_damaged("its pickle creates an object of a value that is not a class");
  return &named_node(name->text.starts_with(kTorchScriptPrefix) ? Kind::object : Kind::opaque, name->text);
}

PickleValue PickleBuilder::first(const Items& arguments) {
  if (arguments.empty()) throw_damaged("its pickle calls a function without arguments");
  return arguments.front();
}

PickleValue PickleBuilder::all(const Items& arguments) {
  PickleNode& result = node(Kind::tuple);
  result.items = arguments;
  return &result;
}

PickleValue PickleBuilder::dictionary(const Items& arguments) {
  PickleNode& result = node(Kind::dictionary);
  if (arguments.empty()) return &result;
  const PickleNode* const pairs = as_node(arguments[0], Kind::list);
  if (!pairs) throw_damaged("its pickle creates an OrderedDict from a value that is not a list");
  spend(pairs->items.size());
  for (const PickleValue& item : pairs->items) {
    const PickleNode* pair = as_node(item, Kind::tuple);
    if (!pair) pair = as_node(item, Kind::list);
    if (!pair || pair->items.size() != 2)
      throw_damaged("its pickle creates an OrderedDict from items that are not pairs");
    result.entries.emplace_back(pair->items[0], pair->items[1]);
  }
  return &result;
}

// A defaultdict, whose argument makes its missing values.
PickleValue PickleBuilder::empty_dictionary(const Items&) { return &node(Kind::dictionary); }

PickleValue PickleBuilder::set(const Items& arguments) {
  const PickleNode* const list = arguments.size() == 1 ? as_node(arguments[0], Kind::list) : nullptr;
  if (!list) throw_damaged("its pickle creates a set from a value that is not a list");
  spend(list->items.size());
  PickleNode& result = node(Kind::set);
  result.items = list->items;
  return &result;
}

PickleValue PickleBuilder::storage(const PickleValue& id) {
  const PickleNode* const tuple = as_node(id, Kind::tuple);
  if (!tuple || tuple->items.size() < 5) throw_damaged("its pickle has an unknown form of storage id");
  const PickleNode* const type = as_node(tuple->items[1], Kind::global);
  const PickleNode* const key = as_node(tuple->items[2], Kind::text);
  const auto* const count = std::get_if<std::int64_t>(&tuple->items[4]);
  const auto dtype = type ? storage_dtype(type->text) : std::nullopt;
  if (type && !dtype) return opaque(type->text);
  if (!dtype || !key || !count) throw_damaged("its pickle has an unknown form of storage id");
  const auto bytes = storage_bytes_.find(key->text);
  if (bytes == storage_bytes_.end()) throw_damaged(fmt::format("it has no storage {}", in_quotes(key->text)));
  const std::uint64_t element = c10::elementSize(*dtype);
  if (*count < 0 || bytes->second / element != static_cast<std::uint64_t>(*count)) {
    throw_damaged(fmt::format("its storage {} has {} bytes instead of {} elements", in_quotes(key->text),
                              bytes->second, *count));
  }
  spend(4 + key->text.size() / kValueBytes);
  return &arena_.tensors.emplace_back(PickleTensor{key->text, *dtype, 0, {*count}, {1}});
}

std::vector<std::int64_t> PickleBuilder::dimensions(const PickleValue& value) {
  const PickleNode* const tuple = as_node(value, Kind::tuple);
  if (!tuple || tuple->items.size() > kMaxDimensions)
    throw_damaged("a tensor's shape is not a tuple of non-negative integers");
  spend(tuple->items.size());
  std::vector<std::int64_t> result;
  result.reserve(tuple->items.size());
  for (const PickleValue& item : tuple->items) {
    const auto* const count = std::get_if<std::int64_t>(&item);
    if (!count || *count < 0) throw_damaged("a tensor's shape is not a tuple of non-negative integers");
    result.push_back(*count);
  }
  return result;
}

// (storage, offset, sizes, strides, requires_grad, hooks, ...)
PickleValue PickleBuilder::tensor(const Items& arguments) {
  const PickleNode* const unknown = arguments.empty() ? nullptr : as_node(arguments[0], Kind::opaque);
  if (unknown) return opaque(unknown->text);
  const auto* const storage =
      arguments.size() >= 4 ? std::get_if<const PickleTensor*>(&arguments[0]) : nullptr;
  const auto* const offset = storage ? std::get_if<std::int64_t>(&arguments[1]) : nullptr;
  if (!offset) throw_damaged("its pickle has an unknown form of tensor");
  spend(4 + (*storage)->storage.size() / kValueBytes);
  const PickleTensor result{(*storage)->storage, (*storage)->dtype, *offset, dimensions(arguments[2]),
                            dimensions(arguments[3])};
  check_bounds(result,
               static_cast<std::int64_t>(storage_bytes_.at(result.storage) / c10::elementSize(result.dtype)));
  return &arena_.tensors.emplace_back(result);
}

void PickleBuilder::check_bounds(const PickleTensor& tensor, std::int64_t num_stored) const {
  const bool valid =
      tensor.sizes.size() == tensor.strides.size() && tensor.offset >= 0 && is_countable(tensor);
  const auto span = valid ? span_of(tensor) : std::nullopt;
  if (!span || *span > num_stored) {
    throw_damaged(fmt::format("a tensor of shape [{}] reaches beyond its storage {} of {} elements",
                              fmt::join(tensor.sizes, ", "), in_quotes(tensor.storage), num_stored));
  }
}

}  // namespace cloob

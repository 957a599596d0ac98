#include "checkpoint/pickle_machine.h"

#include <fmt/core.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cloob {
namespace {

using Kind = PickleNode::Kind;

class Machine {
 public:
  Machine(std::string_view pickle, PickleBuilder& builder) : rest_(pickle), builder_(builder) {}

  PickleValue run() {
    for (;;) {
      const auto code = number<std::uint8_t>();
      if (code == '.') return pop();
      const Action action = actions()[code];
      if (!action)
        builder_.throw_damaged(fmt::format("its pickle has the unknown instruction {:#04x}", code));
      action(*this);
    }
  }

 private:
  using Action = void (*)(Machine&);

  /// Actions of the instructions that torch.save and torch.jit.save emit. Names are those of pickletools.
  static const std::array<Action, 256>& actions();

  // --- Reading the program.
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) builder_.throw_damaged("its pickle is truncated");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  template <class Number>
  Number number() {
    Number result;
    std::memcpy(&result, take(sizeof(Number)).data(), sizeof(Number));
    return result;
  }
  std::string_view line() {
    const std::size_t length = rest_.find('\n');
    if (length == std::string_view::npos) builder_.throw_damaged("its pickle is truncated");
    const std::string_view result = take(length);
    take(1);
    return result;
  }

  // --- The stack. A mark is the height of the stack when it was set.
  void push(PickleValue value) {
    builder_.spend(1);
    stack_.push_back(value);
  }
  void mark() {
    builder_.spend(1);
    marks_.push_back(stack_.size());
  }
  PickleValue pop() {
    if (stack_.size() <= floor()) builder_.throw_damaged("its pickle pops more values than it pushed");
    const PickleValue value = stack_.back();
    stack_.pop_back();
    return value;
  }
  const PickleValue& top() const {
    if (stack_.size() <= floor()) builder_.throw_damaged("its pickle pops more values than it pushed");
    return stack_.back();
  }
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  std::vector<PickleValue> pop_to_mark() {
    if (marks_.empty()) builder_.throw_damaged("its pickle lacks a mark");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleValue> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }
  std::vector<PickleValue> pop_count(std::size_t count) {
    std::vector<PickleValue> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }
  /// The container on top of the stack. The machine created every node, so it may modify them.
  PickleNode& container_on_top(std::initializer_list<Kind> kinds) const {
    for (const Kind kind : kinds) {
      if (const PickleNode* const found = as_node(top(), kind)) return const_cast<PickleNode&>(*found);
    }
    builder_.throw_damaged("its pickle adds items to a value that is not a container");
  }

  // --- Parts of instructions.
  void push_global() {
    const std::string_view module = line();  // two statements, because the evaluation order matters
    push(builder_.global(fmt::format("{}.{}", module, line())));
  }
  void push_global(const std::vector<PickleValue>& names) {
    push(builder_.global(fmt::format("{}.{}", text_of(names[0]), text_of(names[1]))));
  }
  void push_call(const std::vector<PickleValue>& operands) { push(builder_.call(operands[0], operands[1])); }
  void push_text(Kind kind, std::string_view text) {
    PickleNode& node = builder_.node(kind);
    node.text = text;
    push(&node);
  }
  void push_node(Kind kind, std::vector<PickleValue> items) {
    PickleNode& node = builder_.node(kind);
    node.items = std::move(items);
    push(&node);
  }
  // What is added to an opaque value is not kept.
  bool is_opaque_on_top() const { return as_node(top(), Kind::opaque) != nullptr; }
  void add_items(const std::vector<PickleValue>& items) {
    if (is_opaque_on_top()) return;
    PickleNode& node = container_on_top({Kind::list, Kind::set});
    node.items.insert(node.items.end(), items.begin(), items.end());
  }
  void add_entries(const std::vector<PickleValue>& items) {
    if (is_opaque_on_top()) return;
    PickleNode& node = container_on_top({Kind::dictionary});
    if (items.size() % 2 != 0) builder_.throw_damaged("its pickle has a key without a value");
    for (std::size_t i = 0; i < items.size(); i += 2) node.entries.emplace_back(items[i], items[i + 1]);
  }

  // The state of an object is a dictionary of its attributes. Attributes of dictionaries (the versions in a
  // state_dict's _metadata) are ignored.
  void build(const PickleValue& state) {
    if (is_opaque_on_top()) return;
    PickleNode& node = container_on_top({Kind::object, Kind::dictionary});
    if (node.kind == Kind::dictionary) return;
    if (const PickleNode* const attributes = as_node(state, Kind::dictionary)) {
      builder_.spend(attributes->entries.size());
      node.entries.insert(node.entries.end(), attributes->entries.begin(), attributes->entries.end());
    } else {
      node.items.push_back(state);
    }
  }

  void memoize(std::uint32_t key) {
    builder_.spend(1);
    memo_[key] = top();
  }
  PickleValue recall(std::uint32_t key) const {
    const auto found = memo_.find(key);
    if (found == memo_.end()) builder_.throw_damaged("its pickle uses a value that it did not memoize");
    return found->second;
  }
  const std::string& text_of(const PickleValue& value) const {
    const PickleNode* const text = as_node(value, Kind::text);
    if (!text) builder_.throw_damaged("its pickle names a global that is not a string");
    return text->text;
  }
  static double big_endian_double(std::uint64_t bits) {
    return std::bit_cast<double>(__builtin_bswap64(bits));
  }
  // Little-endian two's complement of any length.
  static PickleValue long_integer(std::string_view bytes) {
    const bool negative = !bytes.empty() && static_cast<signed char>(bytes.back()) < 0;
    if (bytes.size() <= sizeof(std::int64_t)) {
      std::int64_t value = negative ? -1 : 0;
      std::memcpy(&value, bytes.data(), bytes.size());
      return value;
    }
    double value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      const auto byte = static_cast<std::uint8_t>(bytes[i]);
      value = value * 256 + (i + 1 == bytes.size() && negative ? byte - 256.0 : byte);
    }
    return value;
  }

  std::string_view rest_;
  PickleBuilder& builder_;
  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleValue> memo_;
};

const std::array<Machine::Action, 256>& Machine::actions() {
  using M = Machine&;
  static const auto kActions = [] {
    std::array<Action, 256> table{};
    const auto set = [&](int code, Action action) { table[static_cast<std::size_t>(code)] = action; };
    // Scalars.
    set('N', [](M m) { m.push(std::monostate()); });                                  // NONE
    set(0x88, [](M m) { m.push(true); });                                             // NEWTRUE
    set(0x89, [](M m) { m.push(false); });                                            // NEWFALSE
    set('J', [](M m) { m.push(std::int64_t{m.number<std::int32_t>()}); });            // BININT
    set('K', [](M m) { m.push(std::int64_t{m.number<std::uint8_t>()}); });            // BININT1
    set('M', [](M m) { m.push(std::int64_t{m.number<std::uint16_t>()}); });           // BININT2
    set(0x8a, [](M m) { m.push(long_integer(m.take(m.number<std::uint8_t>()))); });   // LONG1
    set(0x8b, [](M m) { m.push(long_integer(m.take(m.number<std::uint32_t>()))); });  // LONG4
    set('G', [](M m) { m.push(big_endian_double(m.number<std::uint64_t>())); });      // BINFLOAT
    // Strings and bytes.
    set('X', [](M m) { m.push_text(Kind::text, m.take(m.number<std::uint32_t>())); });    // BINUNICODE
    set(0x8c, [](M m) { m.push_text(Kind::text, m.take(m.number<std::uint8_t>())); });    // SHORT_BINUNICODE
    set(0x8d, [](M m) { m.push_text(Kind::text, m.take(m.number<std::uint64_t>())); });   // BINUNICODE8
    set('B', [](M m) { m.push_text(Kind::bytes, m.take(m.number<std::uint32_t>())); });   // BINBYTES
    set('C', [](M m) { m.push_text(Kind::bytes, m.take(m.number<std::uint8_t>())); });    // SHORT_BINBYTES
    set(0x8e, [](M m) { m.push_text(Kind::bytes, m.take(m.number<std::uint64_t>())); });  // BINBYTES8
    set(0x96, [](M m) { m.push_text(Kind::bytes, m.take(m.number<std::uint64_t>())); });  // BYTEARRAY8
    // Containers.
    set(']', [](M m) { m.push_node(Kind::list, {}); });                // EMPTY_LIST
    set(')', [](M m) { m.push_node(Kind::tuple, {}); });               // EMPTY_TUPLE
    set('}', [](M m) { m.push_node(Kind::dictionary, {}); });          // EMPTY_DICT
    set(0x8f, [](M m) { m.push_node(Kind::set, {}); });                // EMPTY_SET
    set('t', [](M m) { m.push_node(Kind::tuple, m.pop_to_mark()); });  // TUPLE
    set(0x85, [](M m) { m.push_node(Kind::tuple, m.pop_count(1)); });  // TUPLE1
    set(0x86, [](M m) { m.push_node(Kind::tuple, m.pop_count(2)); });  // TUPLE2
    set(0x87, [](M m) { m.push_node(Kind::tuple, m.pop_count(3)); });  // TUPLE3
    set(0x91, [](M m) { m.push_node(Kind::set, m.pop_to_mark()); });   // FROZENSET
    set('a', [](M m) { m.add_items(m.pop_count(1)); });                // APPEND
    set('e', [](M m) { m.add_items(m.pop_to_mark()); });               // APPENDS
    set(0x90, [](M m) { m.add_items(m.pop_to_mark()); });              // ADDITEMS
    set('s', [](M m) { m.add_entries(m.pop_count(2)); });              // SETITEM
    set('u', [](M m) { m.add_entries(m.pop_to_mark()); });             // SETITEMS
    // The stack and the memo.
    set('(', [](M m) { m.mark(); });                                                // MARK
    set('0', [](M m) { m.pop(); });                                                 // POP
    set('1', [](M m) { m.pop_to_mark(); });                                         // POP_MARK
    set('2', [](M m) { m.push(m.top()); });                                         // DUP
    set('q', [](M m) { m.memoize(m.number<std::uint8_t>()); });                     // BINPUT
    set('r', [](M m) { m.memoize(m.number<std::uint32_t>()); });                    // LONG_BINPUT
    set(0x94, [](M m) { m.memoize(static_cast<std::uint32_t>(m.memo_.size())); });  // MEMOIZE
    set('h', [](M m) { m.push(m.recall(m.number<std::uint8_t>())); });              // BINGET
    set('j', [](M m) { m.push(m.recall(m.number<std::uint32_t>())); });             // LONG_BINGET
    set(0x80, [](M m) { m.take(1); });                                              // PROTO
    set(0x95, [](M m) { m.take(8); });                                              // FRAME
    // Instructions that run code in Python.
    set('c', [](M m) { m.push_global(); });                                // GLOBAL
    set(0x93, [](M m) { m.push_global(m.pop_count(2)); });                 // STACK_GLOBAL
    set('R', [](M m) { m.push_call(m.pop_count(2)); });                    // REDUCE
    set(0x81, [](M m) { m.push(m.builder_.object(m.pop_count(2)[0])); });  // NEWOBJ
    set(0x92, [](M m) { m.push(m.builder_.object(m.pop_count(3)[0])); });  // NEWOBJ_EX
    set('b', [](M m) { m.build(m.pop()); });                               // BUILD
    set('Q', [](M m) { m.push(m.builder_.storage(m.pop())); });            // BINPERSID
    return table;
  }();
  return kActions;
}

}  // namespace

PickleValue run_pickle(std::string_view pickle, PickleBuilder& builder) {
  return Machine(pickle, builder).run();
}

}  // namespace cloob

#include "checkpoint/pickle_machine.h"

#include <cmath>

#include "cloob/base/error.h"
#include "pickles.h"
#include "support/support.h"

namespace cloob {
namespace {

using namespace std::string_literals;
using testing::expect_user_error;
using testing::joined;
using testing::repeated;
using testing::storage;
using testing::text;

// Runs a pickle of a file 'x.pt' that has a storage 'w' of 40 bytes.
struct Program {
  explicit Program(std::string_view pickle)
      : builder("x.pt", {{"w", 40}}, arena), result(run_pickle(pickle, builder)) {}
  PickleArena arena;
  PickleBuilder builder;
  PickleValue result;
};

void expect_rejected(const std::string& pickle, std::initializer_list<std::string> parts) {
  expect_user_error([&] { const Program program(pickle); }, parts);
}

std::string tensor_program(const std::string& offset, const std::string& sizes, const std::string& strides) {
  return testing::tensor(offset, sizes, strides) + ".";
}

TEST(PickleMachine, BuildsATensorInsideItsStorage) {
  const Program program(tensor_program("K\2", "K\2K\3", "K\4K\1"));
  const PickleTensor& built = *std::get<const PickleTensor*>(program.result);
  EXPECT_EQ(built.storage, "w");
  EXPECT_EQ(built.offset, 2);
  EXPECT_EQ(built.sizes, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(built.strides, (std::vector<std::int64_t>{4, 1}));
}

TEST(PickleMachine, RejectsTensorsThatReachBeyondTheirStorage) {
  const std::string huge = "\x8a\x08\0\0\0\0\0\0\0\x40"s;  // 2^62
  const std::string beyond = "reaches beyond its storage 'w' of 10 elements";
  expect_rejected(tensor_program("K\0"s, "K\x0b", "K\1"), {"shape [11]", beyond});
  expect_rejected(tensor_program("K\5", "K\2K\3", "K\4K\1"), {beyond});
  expect_rejected(tensor_program("K\0"s, huge, huge), {beyond});
  expect_rejected(tensor_program("K\0"s, huge + huge, "K\0K\0"s), {beyond});
  expect_rejected(tensor_program("K\0"s, huge + huge + "K\0"s, "K\0K\0K\0"s), {beyond});
  expect_rejected(tensor_program("J\xff\xff\xff\xff", "K\2", "K\1"), {beyond});
  expect_rejected(tensor_program("K\0"s, "K\2K\3", "K\1"), {beyond});
  expect_rejected(tensor_program("K\0"s, "K\2", "J\xff\xff\xff\xff"),
                  {"not a tuple of non-negative integers"});
  expect_rejected(tensor_program("K\0"s, "N", "K\1"), {"not a tuple of non-negative integers"});
}

TEST(PickleMachine, AllowsAnEmptyTensorAnywhereInItsStorage) {
  EXPECT_NO_THROW(Program(tensor_program("K\x0a", "K\0K\3"s, "K\3K\1")));
  expect_rejected(tensor_program("K\x0b", "K\0K\3"s, "K\3K\1"), {"reaches beyond"});
}

TEST(PickleMachine, RejectsMissingStorages) {
  expect_rejected(storage("v", 10) + ".", {"no storage 'v'"});
  expect_rejected(storage("w", 11) + ".", {"storage 'w' has 40 bytes instead of 11 elements"});
  expect_rejected(joined("(", text("storage"), "tQ."), {"unknown form of storage id"});
}

TEST(PickleMachine, ReadsIntegersOfAnyLength) {
  EXPECT_EQ(std::get<std::int64_t>(Program("\x8a\0."s).result), 0);
  EXPECT_EQ(std::get<std::int64_t>(Program("\x8a\1\xff."s).result), -1);
  EXPECT_EQ(std::get<std::int64_t>(Program("\x8a\2\0\1."s).result), 256);
  EXPECT_EQ(std::get<double>(Program("\x8a\x09\0\0\0\0\0\0\0\0\1."s).result), std::ldexp(1.0, 64));
  EXPECT_EQ(std::get<double>(Program("\x8a\x09\0\0\0\0\0\0\0\0\xff."s).result), -std::ldexp(1.0, 64));
}

TEST(PickleMachine, RejectsInvalidPrograms) {
  expect_rejected("", {"'x.pt' is damaged", "is truncated", "again"});
  expect_rejected("K", {"is truncated"});
  expect_rejected("X\xff\xff\xff\xff"s + "abc", {"is truncated"});
  expect_rejected("cos", {"is truncated"});
  expect_rejected(".", {"pops more values than it pushed"});
  expect_rejected("(.", {"pops more values than it pushed"});
  expect_rejected("K\1(0.", {"pops more values than it pushed"});
  expect_rejected("t.", {"lacks a mark"});
  expect_rejected("h\7.", {"did not memoize"});
  expect_rejected("K\1K\2a.", {"a value that is not a container"});
  expect_rejected("}(K\1u.", {"a key without a value"});
  expect_rejected("K\1)R.", {"calls a value that is not a function"});
  expect_rejected("ctorch\nSize\n)R.", {"without arguments"});
  expect_rejected("ccollections\nOrderedDict\nK\1\x85R.", {"OrderedDict from a value that is not a list"});
  expect_rejected("K\1)\x81.", {"object of a value that is not a class"});
  expect_rejected("\xee.", {"unknown instruction 0xee"});
}

std::string opaque_name(const std::string& pickle) {
  const Program program(pickle);
  const PickleNode* const node = as_node(program.result, PickleNode::Kind::opaque);
  return node ? node->text : "";
}

TEST(PickleMachine, BuildsNothingOfUnknownNames) {
  EXPECT_EQ(opaque_name("cos\nsystem\n(" + text("true") + "tR."), "os.system");
  EXPECT_EQ(opaque_name("ctorch\nfloat32\n)R."), "torch.float32");
  EXPECT_EQ(opaque_name("cargparse\nNamespace\n)\x81}" + text("lr") + "K\1sb."), "argparse.Namespace");
  EXPECT_EQ(opaque_name("ccopyreg\nnew\n)}\x92."), "copyreg.new");  // NEWOBJ_EX
  // What is put into an unknown object is dropped, and the result of calling one is one.
  EXPECT_EQ(opaque_name("ca\nList\n)\x81K\1aK\1K\2s."), "a.List");
  EXPECT_EQ(opaque_name("ca\nf\n)R)R."), "a.f");
}

TEST(PickleMachine, BuildsNoTensorOfAnUnknownStorage) {
  const std::string storage =
      joined("(", text("storage"), "ctorch\nNewStorage\n", text("w"), text("cpu"), "K\x0atQ");
  EXPECT_EQ(opaque_name(joined("ctorch._utils\n_rebuild_tensor_v2\n(", storage, "K\0(K\2t(K\1t\x89}tR."s)),
            "torch.NewStorage");
  EXPECT_EQ(opaque_name("ctorch._utils\n_rebuild_qtensor\n(tR."), "torch._utils._rebuild_qtensor");
}

TEST(PickleMachine, ReadsADefaultDictionary) {
  const Program program("ccollections\ndefaultdict\ncbuiltins\nint\n\x85R" + text("a") + "K\1s.");
  const PickleNode* const dictionary = as_node(program.result, PickleNode::Kind::dictionary);
  ASSERT_NE(dictionary, nullptr);
  EXPECT_EQ(std::get<std::int64_t>(*dictionary->find("a")), 1);
}

TEST(PickleMachine, LimitsAmplificationByRepeatedCalls) {
  // A list of 256 pairs that is converted to an ordered dictionary many times.
  std::string pairs = "](";
  for (int i = 0; i < 256; ++i) pairs += "NN\x86";
  pairs += "e\x85q\1";
  std::string code = pairs + "ccollections\nOrderedDict\nq\2";
  for (int i = 0; i < 20'000; ++i) code += "h\2h\1R0";
  expect_rejected(code + "N.", {"more than 4000000 values"});
}

TEST(PickleMachine, LimitsStackMemoAndMarks) {
  constexpr int kMany = 4'000'001;
  expect_rejected(joined("N", repeated("2", kMany)), {"more than 4000000 values"});     // DUP
  expect_rejected(joined("N", repeated("\x94", kMany)), {"more than 4000000 values"});  // MEMOIZE
  expect_rejected(repeated("(", kMany), {"more than 4000000 values"});                  // MARK
}

TEST(PickleMachine, LimitsRepeatedNames) {
  const std::string name = joined(text("__torch__"), "q\1", text(std::string(100'000, 'x')), "q\2");
  expect_rejected(name + repeated("h\1h\2\x93", 3000), {"more than 4000000 values"});
}

// The instructions of torch.save for one tensor. Memoized: 1 the function, 2 'storage', 3 its class, 4 'cpu',
// 5 OrderedDict.
std::string saved_tensor() {
  const std::string q = joined("r", testing::little_endian(9, 4));
  return joined("h\1((h\2h\3", text("w"), q, "h\4K\12t", q, "QK\0(K\2K\5t"s, q, "K\5K\1\x86", q, "\x89h\5)R",
                q, "t", q, "R", q);
}

TEST(PickleMachine, SupportsTenThousandTensorsWithOptimizerState) {
  std::string code =
      joined("ctorch._utils\n_rebuild_tensor_v2\nq\1", text("storage"), "q\2ctorch\nFloatStorage\nq\3",
             text("cpu"), "q\4ccollections\nOrderedDict\nq\5](");
  for (int i = 0; i < 10'000; ++i) {
    code += joined(text("visual.transformer.resblocks." + std::to_string(i)), "q\6", saved_tensor());
    code += joined("M", testing::little_endian(static_cast<std::uint64_t>(i), 2), "}q\6(");
    for (int state = 0; state < 3; ++state)
      code += joined("h\2", saved_tensor());  // step, exp_avg, exp_avg_sq
    code += "u";
  }
  const Program program(code + "e.");
  EXPECT_EQ(as_node(program.result, PickleNode::Kind::list)->items.size(), 40'000u);
}

TEST(PickleMachine, SupportsAnyNestingDepth) {
  const Program program(std::string(200'000, ']') + std::string(199'999, 'a') + ".");
  EXPECT_NE(as_node(program.result, PickleNode::Kind::list), nullptr);
}

TEST(PickleMachine, SupportsCycles) {
  const Program program("]q\1h\1a.");
  const PickleNode* const list = as_node(program.result, PickleNode::Kind::list);
  EXPECT_EQ(as_node(list->items.at(0), PickleNode::Kind::list), list);
}

}  // namespace
}  // namespace cloob

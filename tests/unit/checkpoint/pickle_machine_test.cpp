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

// Runs a pickle in a file 'x.pt' that has a storage 'w' of 40 bytes.
struct Program {
  explicit Program(std::string_view pickle)
      : builder("x.pt", {{"w", 40}}, arena), result(run_pickle(pickle, builder)) {}
  PickleArena arena;
  PickleBuilder builder;
  PickleValue result;
};

void expect_refused(const std::string& pickle, std::initializer_list<std::string> parts) {
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

TEST(PickleMachine, RefusesTensorsThatReachBeyondTheirStorage) {
  const std::string huge = "\x8a\x08\0\0\0\0\0\0\0\x40"s;  // 2^62
  const std::string beyond = "reaches beyond its storage 'w' of 10 elements";
  expect_refused(tensor_program("K\0"s, "K\x0b", "K\1"), {"shape [11]", beyond});
  expect_refused(tensor_program("K\5", "K\2K\3", "K\4K\1"), {beyond});
  expect_refused(tensor_program("K\0"s, huge, huge), {beyond});
  expect_refused(tensor_program("K\0"s, huge + huge, "K\0K\0"s), {beyond});
  expect_refused(tensor_program("K\0"s, huge + huge + "K\0"s, "K\0K\0K\0"s), {beyond});
  expect_refused(tensor_program("J\xff\xff\xff\xff", "K\2", "K\1"), {beyond});
  expect_refused(tensor_program("K\0"s, "K\2K\3", "K\1"), {beyond});
  expect_refused(tensor_program("K\0"s, "K\2", "J\xff\xff\xff\xff"), {"no tuple of counts"});
  expect_refused(tensor_program("K\0"s, "N", "K\1"), {"no tuple of counts"});
}

TEST(PickleMachine, AllowsAnEmptyTensorAnywhereInItsStorage) {
  EXPECT_NO_THROW(Program(tensor_program("K\x0a", "K\0K\3"s, "K\3K\1")));
  expect_refused(tensor_program("K\x0b", "K\0K\3"s, "K\3K\1"), {"reaches beyond"});
}

TEST(PickleMachine, RefusesStoragesThatTheFileDoesNotHave) {
  expect_refused(storage("v", 10) + ".", {"no storage 'v'"});
  expect_refused(storage("w", 11) + ".", {"storage 'w' has 40 bytes, which are not 11 elements"});
  expect_refused(joined("(", text("storage"), "tQ."), {"names a storage in an unknown way"});
}

TEST(PickleMachine, ReadsIntegersOfAnyLength) {
  EXPECT_EQ(std::get<std::int64_t>(Program("\x8a\0."s).result), 0);
  EXPECT_EQ(std::get<std::int64_t>(Program("\x8a\1\xff."s).result), -1);
  EXPECT_EQ(std::get<std::int64_t>(Program("\x8a\2\0\1."s).result), 256);
  EXPECT_EQ(std::get<double>(Program("\x8a\x09\0\0\0\0\0\0\0\0\1."s).result), std::ldexp(1.0, 64));
  EXPECT_EQ(std::get<double>(Program("\x8a\x09\0\0\0\0\0\0\0\0\xff."s).result), -std::ldexp(1.0, 64));
}

TEST(PickleMachine, RefusesProgramsThatMakeNoSense) {
  expect_refused("", {"'x.pt' is damaged", "ends too early", "again"});
  expect_refused("K", {"ends too early"});
  expect_refused("X\xff\xff\xff\xff"s + "abc", {"ends too early"});
  expect_refused("cos", {"ends too early"});
  expect_refused(".", {"takes more values than it has"});
  expect_refused("(.", {"takes more values than it has"});
  expect_refused("K\1(0.", {"takes more values than it has"});
  expect_refused("t.", {"lacks a mark"});
  expect_refused("h\7.", {"did not keep"});
  expect_refused("K\1K\2a.", {"fills what is not a container"});
  expect_refused("}(K\1u.", {"a key without a value"});
  expect_refused("K\1)R.", {"calls what is not a function"});
  expect_refused("ctorch\nfloat32\n)R.", {"calls 'torch.float32'"});
  expect_refused("ctorch\nSize\n)R.", {"without arguments"});
  expect_refused("ccollections\nOrderedDict\nK\1\x85R.", {"OrderedDict of what is no list"});
  expect_refused("ccollections\nOrderedDict\n)\x81.", {"object of what is no class"});
  expect_refused("\xee.", {"unknown instruction 0xee"});
}

TEST(PickleMachine, RefusesPicklesThatMultiply) {
  // A list of 256 pairs, asked for as an ordered dictionary again and again.
  std::string pairs = "](";
  for (int i = 0; i < 256; ++i) pairs += "NN\x86";
  pairs += "e\x85q\1";
  std::string code = pairs + "ccollections\nOrderedDict\nq\2";
  for (int i = 0; i < 20'000; ++i) code += "h\2h\1R0";
  expect_refused(code + "N.", {"more than 4000000 values"});
}

TEST(PickleMachine, CountsWhatItKeeps) {
  constexpr int kMany = 4'000'001;
  expect_refused(joined("N", repeated("2", kMany)), {"more than 4000000 values"});     // DUP
  expect_refused(joined("N", repeated("\x94", kMany)), {"more than 4000000 values"});  // MEMOIZE
  expect_refused(repeated("(", kMany), {"more than 4000000 values"});                  // MARK
}

TEST(PickleMachine, CountsNamesThatAreRepeated) {
  const std::string name = joined(text("__torch__"), "q\1", text(std::string(100'000, 'x')), "q\2");
  expect_refused(name + repeated("h\1h\2\x93", 3000), {"more than 4000000 values"});
}

// The instructions of torch.save for one tensor. Memoized are: 1 the function, 2 'storage', 3 its class, 4
// 'cpu', 5 OrderedDict.
std::string saved_tensor() {
  const std::string q = joined("r", testing::little_endian(9, 4));
  return joined("h\1((h\2h\3", text("w"), q, "h\4K\12t", q, "QK\0(K\2K\5t"s, q, "K\5K\1\x86", q, "\x89h\5)R",
                q, "t", q, "R", q);
}

TEST(PickleMachine, BearsTenThousandTensorsWithTheirOptimizersState) {
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

TEST(PickleMachine, BearsAnyDepth) {
  const Program program(std::string(200'000, ']') + std::string(199'999, 'a') + ".");
  EXPECT_NE(as_node(program.result, PickleNode::Kind::list), nullptr);
}

TEST(PickleMachine, BearsACircle) {
  const Program program("]q\1h\1a.");
  const PickleNode* const list = as_node(program.result, PickleNode::Kind::list);
  EXPECT_EQ(as_node(list->items.at(0), PickleNode::Kind::list), list);
}

}  // namespace
}  // namespace cloob

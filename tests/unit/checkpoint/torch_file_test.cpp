#include "cloob/checkpoint/torch_file.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>

#include <cstring>
#include <stdexcept>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/checkpoint/safetensors.h"
#include "files.h"
#include "support/support.h"

namespace cloob {
namespace {

using Kind = PickleNode::Kind;
using testing::expect_user_error;
using testing::TempDir;

std::filesystem::path golden(const std::string& name) { return testing::golden_path("checkpoint/" + name); }

// The file was read but does not contain the value that the test expects.
struct UnexpectedValue : std::runtime_error {
  using std::runtime_error::runtime_error;
};

const PickleNode& node(const PickleValue& value, Kind kind) {
  const PickleNode* const found = as_node(value, kind);
  if (!found) throw UnexpectedValue("the value is of another kind");
  return *found;
}

const PickleValue& at_key(const PickleNode& dictionary, const std::string& key) {
  const PickleValue* const found = dictionary.find(key);
  if (!found) throw UnexpectedValue("no value " + key);
  return *found;
}

at::Tensor load(const TorchFile& file, const PickleValue& value) {
  return file.load({{"tensor", std::get<const PickleTensor*>(value)}}).at("tensor");
}

std::int64_t integer(const PickleValue& value) { return std::get<std::int64_t>(value); }

void expect_rejected(const std::filesystem::path& path, std::initializer_list<std::string> parts) {
  expect_user_error([&] { const TorchFile file(path); }, parts);
}

TEST(TorchFile, ReadsTensorsOfAnyOffsetAndStrides) {
  const TorchFile file(golden("strided.pt"));
  const NamedTensors expected = read_safetensors(golden("strided.safetensors")).tensors;
  const PickleNode& root = node(file.root(), Kind::dictionary);
  ASSERT_EQ(root.entries.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    const at::Tensor actual = load(file, at_key(root, name));
    EXPECT_EQ(actual.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(actual, tensor)) << name;
  }
}

TEST(TorchFile, SharesTheMemoryOfTensorsThatSharedIt) {
  const TorchFile file(golden("strided.pt"));
  const PickleNode& root = node(file.root(), Kind::dictionary);
  const NamedTensors loaded = file.load({{"plain", std::get<const PickleTensor*>(at_key(root, "plain"))},
                                         {"row", std::get<const PickleTensor*>(at_key(root, "row"))}});
  EXPECT_EQ(loaded.at("row").data_ptr(), loaded.at("plain")[2].data_ptr());
}

TEST(TorchFile, KeepsNoReferenceToLoadedTensors) {
  const TorchFile file(golden("strided.pt"));
  at::Tensor plain = load(file, at_key(node(file.root(), Kind::dictionary), "plain"));
  const auto memory = plain.storage().getWeakStorageImpl();
  plain.reset();
  EXPECT_TRUE(memory.expired());
}

class TorchFileValues : public ::testing::TestWithParam<const char*> {};

TEST_P(TorchFileValues, EqualThoseSavedByPython) {
  const TorchFile file(golden(GetParam()));
  EXPECT_FALSE(file.is_torchscript());
  const PickleNode& root = node(file.root(), Kind::dictionary);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(at_key(root, "none")));
  EXPECT_TRUE(std::get<bool>(at_key(root, "true")));
  EXPECT_FALSE(std::get<bool>(at_key(root, "false")));
  EXPECT_EQ(integer(at_key(root, "zero")), 0);
  EXPECT_EQ(integer(at_key(root, "byte")), 200);
  EXPECT_EQ(integer(at_key(root, "short")), 60000);
  EXPECT_EQ(integer(at_key(root, "negative")), -5);
  EXPECT_EQ(integer(at_key(root, "long")), std::int64_t{1} << 40);
  EXPECT_EQ(integer(at_key(root, "longest")), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(std::get<double>(at_key(root, "huge")), std::ldexp(1.0, 70));
  EXPECT_EQ(std::get<double>(at_key(root, "real")), 0.1);
  EXPECT_EQ(node(at_key(root, "text"), Kind::text).text, "caf\xc3\xa9");
  EXPECT_EQ(node(at_key(root, "empty_text"), Kind::text).text, "");
  const PickleNode& list = node(at_key(root, "list"), Kind::list);
  ASSERT_EQ(list.items.size(), 3u);
  EXPECT_EQ(node(node(list.items[1], Kind::list).items[1], Kind::text).text, "three");
  EXPECT_EQ(integer(node(at_key(root, "tuple"), Kind::tuple).items.at(3)), 4);
  EXPECT_EQ(integer(node(at_key(root, "pair"), Kind::tuple).items.at(0)), 1);
  EXPECT_EQ(integer(node(at_key(root, "set"), Kind::set).items.at(0)), 5);
  const PickleNode& ordered = node(at_key(root, "ordered"), Kind::dictionary);
  EXPECT_EQ(node(ordered.entries.at(0).first, Kind::text).text, "b");
  EXPECT_EQ(integer(at_key(ordered, "a")), 2);
  EXPECT_EQ(integer(node(at_key(root, "size"), Kind::tuple).items.at(1)), 3);
  EXPECT_EQ(node(at_key(root, "dtype"), Kind::global).text, "torch.bfloat16");
  EXPECT_EQ(node(node(at_key(root, "device"), Kind::tuple).items.at(0), Kind::text).text, "cpu");
  const PickleNode& nested =
      node(at_key(node(at_key(root, "nested"), Kind::dictionary), "x"), Kind::dictionary);
  EXPECT_TRUE(at::equal(load(file, node(at_key(nested, "y"), Kind::list).items.at(0)), at::ones({1})));
  EXPECT_EQ(root.find("absent"), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Protocols, TorchFileValues, ::testing::Values("values.pt", "values_protocol_5.pt"));

TEST(TorchFile, ReadsTorchScriptObjectsAsAttributes) {
  for (const char* name : {"openai_scripted.pt", "openai_traced.pt"}) {
    SCOPED_TRACE(name);
    const TorchFile file(golden(name));
    EXPECT_TRUE(file.is_torchscript());
    const PickleNode& root = node(file.root(), Kind::object);
    EXPECT_THAT(root.text, ::testing::StartsWith("__torch__."));
    const PickleNode& norm = node(at_key(root, "ln_final"), Kind::object);
    const at::Tensor weight = load(file, at_key(norm, "weight"));
    EXPECT_EQ(weight.scalar_type(), at::kHalf);
    EXPECT_EQ(weight.sizes(), (at::IntArrayRef{4}));
    EXPECT_FALSE(std::get<bool>(at_key(norm, "training")));
  }
}

// The name of what only Python code could build.
std::string opaque(const PickleValue& value) { return node(value, Kind::opaque).text; }

TEST(TorchFile, BuildsNothingThatIsNotData) {
  const TorchFile system(golden("calls_os_system.pt")), eval(golden("calls_eval.pt")),
      inside(golden("calls_getattr_inside.pt")), by_stack(golden("calls_by_stack_global.pt")),
      a_class(golden("asks_for_a_class.pt")), module(golden("whole_module.pt"));
  EXPECT_EQ(opaque(at_key(node(system.root(), Kind::dictionary), "state_dict")), "posix.system");
  EXPECT_EQ(opaque(node(eval.root(), Kind::list).items.at(0)), "__builtin__.eval");
  const PickleNode& list = node(at_key(node(inside.root(), Kind::dictionary), "a"), Kind::list);
  EXPECT_EQ(opaque(at_key(node(list.items.at(1), Kind::dictionary), "b")), "__builtin__.getattr");
  EXPECT_EQ(opaque(by_stack.root()), "posix.system");
  EXPECT_EQ(opaque(a_class.root()), "__main__.Calls");
  EXPECT_EQ(opaque(module.root()), "torch.nn.modules.linear.Linear");
}

TEST(TorchFile, ExplainsHowToConvertOldFormats) {
  expect_rejected(golden("legacy.pt"), {"before PyTorch 1.6", "torch.save(torch.load("});
  expect_rejected(golden("big_endian.pt"), {"byte order 'big'"});
}

TEST(TorchFile, DescribesOtherFiles) {
  const TempDir folder;
  testing::write_quickly(folder / "empty", "");
  testing::write_quickly(folder / "text", "hello");
  expect_rejected(folder / "empty", {"neither a safetensors file nor an archive", "it is empty"});
  expect_rejected(folder / "text", {"neither a safetensors file nor an archive"});
  expect_rejected(folder / "absent", {"absent'", "No such file"});
  expect_rejected(folder.path(), {"Is a directory"});
}

// Opens a modified file and loads all its tensors; returns whether that was rejected. Only a UserError may be
// thrown.
bool is_rejected(const std::filesystem::path& path) {
  try {
    const TorchFile file(path);
    for (const auto& entry : node(file.root(), Kind::dictionary).entries) {
      if (std::holds_alternative<const PickleTensor*>(entry.second)) load(file, entry.second).sum();
    }
    return false;
  } catch (const UserError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    EXPECT_THAT(error.what(), ::testing::HasSubstr(path.string()));
    return true;
  } catch (const UnexpectedValue&) {
    return false;
  }
}

TEST(TorchFile, RejectsEveryTruncation) {
  const TempDir folder;
  const std::string original = read_file(golden("strided.pt"));
  for (std::size_t length = 0; length < original.size(); length += 7) {
    testing::write_quickly(folder / "x", original.substr(0, length));
    EXPECT_TRUE(is_rejected(folder / "x")) << length;
  }
  testing::write_quickly(folder / "x", original.substr(0, original.size() / 2));
  expect_rejected(folder / "x", {"truncated or damaged", "again"});
}

TEST(TorchFile, DetectsEveryFlippedByteOfATensor) {
  const TempDir folder;
  const std::string original = read_file(golden("strided.pt"));
  const std::size_t index = original.find(std::string("\0\0\x80\x3f\0\0\0\x40", 8));  // 1.0f, 2.0f
  ASSERT_NE(index, std::string::npos);
  for (std::size_t i = 0; i < 8; ++i) {
    std::string damaged = original;
    damaged[index + i] = static_cast<char>(damaged[index + i] ^ 4);
    testing::write_quickly(folder / "x", damaged);
    const TorchFile file(folder / "x");
    const PickleValue& tensor = at_key(node(file.root(), Kind::dictionary), "plain");
    expect_user_error([&] { load(file, tensor); }, {"damaged", "data/0'", "CRC"});
  }
}

TEST(TorchFile, NeverCrashesOnADamagedArchive) {
  const TempDir folder;
  for (const char* name : {"strided.pt", "values_protocol_5.pt", "openai_scripted.pt"}) {
    const std::string original = read_file(golden(name));
    for (std::size_t index = 0; index < original.size(); index += 11) {
      std::string damaged = original;
      damaged[index] = static_cast<char>(damaged[index] ^ (1 << (index % 8)));
      testing::write_quickly(folder / "x", damaged);
      is_rejected(folder / "x");
    }
  }
}

}  // namespace
}  // namespace cloob

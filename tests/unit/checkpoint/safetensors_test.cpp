#include "cloob/checkpoint/safetensors.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/real.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>

#include <fmt/core.h>

#include <chrono>
#include <cstring>
#include <string_view>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "files.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;

// A file with the given header, followed by `data_bytes` bytes.
std::string file_bytes(const std::string& header, std::size_t data_bytes) {
  std::string bytes(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data_bytes, '\1');
}

void expect_rejected(const std::string& content, std::initializer_list<std::string> parts) {
  const TempDir folder;
  testing::write_quickly(folder / "x.safetensors", content);
  expect_user_error([&] { read_safetensors(folder / "x.safetensors"); }, parts);
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

void expect_same_tensors(const NamedTensors& actual, const NamedTensors& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(actual.contains(name)) << name;
    EXPECT_EQ(actual.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(actual.at(name).sizes(), tensor.sizes()) << name;
    const at::Tensor a = actual.at(name).contiguous(), e = tensor.cpu().contiguous();
    EXPECT_EQ(std::memcmp(a.data_ptr(), e.data_ptr(), e.nbytes()), 0) << name;
  }
}

TEST(Safetensors, ReadsEveryTypeThatPythonWrites) {
  const SafetensorsFile file = read_safetensors(testing::golden_path("checkpoint/python.safetensors"));
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_EQ(file.tensors.size(), 18u);
  const std::map<std::string, at::ScalarType> dtypes = {{"float64", at::kDouble},
                                                        {"float32", at::kFloat},
                                                        {"float16", at::kHalf},
                                                        {"bfloat16", at::kBFloat16},
                                                        {"int64", at::kLong},
                                                        {"int32", at::kInt},
                                                        {"int16", at::kShort},
                                                        {"int8", at::kChar},
                                                        {"uint64", at::kUInt64},
                                                        {"uint32", at::kUInt32},
                                                        {"uint16", at::kUInt16},
                                                        {"uint8", at::kByte},
                                                        {"float8_e4m3fn", at::kFloat8_e4m3fn},
                                                        {"float8_e5m2", at::kFloat8_e5m2},
                                                        {"complex64", at::kComplexFloat}};
  const at::Tensor counting = at::arange(6, at::kFloat).reshape({2, 3});
  for (const auto& [name, tensor] : file.tensors) {
    if (name == "scalar") {
      EXPECT_EQ(tensor.dim(), 0);
      EXPECT_EQ(tensor.item<float>(), 2.5f);
    } else if (name == "empty") {
      EXPECT_EQ(tensor.sizes(), (at::IntArrayRef{0, 4}));
    } else if (name == "bool") {
      EXPECT_TRUE(at::equal(tensor, counting.remainder(2) == 1));
    } else {
      EXPECT_EQ(tensor.scalar_type(), dtypes.at(name)) << name;
      testing::expect_close(at::real(tensor.to(at::kComplexDouble)), counting, 0, 0, name);
    }
  }
}

TEST(Safetensors, RoundTrips) {
  const TempDir folder;
  NamedTensors tensors = {
      {"transposed", at::randn({3, 5}).t()},       {"bool", at::randn({7}) > 0},
      {"half", at::randn({5}).to(at::kHalf)},      {"needs_grad", at::randn({2, 2}).set_requires_grad(true)},
      {"scalar", at::scalar_tensor(3, at::kLong)}, {"nothing", at::empty({0, 3})}};
  const std::map<std::string, std::string> metadata = {{"key", "value \"quoted\" \xc3\xa9"}};
  write_safetensors(folder / "x", tensors, metadata);
  const SafetensorsFile file = read_safetensors(folder / "x");
  expect_same_tensors(file.tensors, tensors);
  EXPECT_EQ(file.metadata, metadata);
}

TEST(Safetensors, MayHaveNoTensors) {
  const TempDir folder;
  write_safetensors(folder / "x", {}, {});
  EXPECT_TRUE(read_safetensors(folder / "x").tensors.empty());
}

TEST(Safetensors, AlignsTensorsDeterministically) {
  const TempDir folder;
  write_safetensors(folder / "x", {{"a", at::ones({3}, at::kByte)}, {"b", at::ones({1}, at::kDouble)}},
                    {{"k", "v"}});
  const std::string header =
      R"({"__metadata__":{"k":"v"},"a":{"data_offsets":[8,11],"dtype":"U8","shape":[3]},)"
      R"("b":{"data_offsets":[0,8],"dtype":"F64","shape":[1]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  const std::string one("\0\0\0\0\0\0\xf0\x3f", 8);
  EXPECT_EQ(read_file(folder / "x"), file_bytes(header + padding, 0) + one + "\1\1\1");
}

TEST(Safetensors, CanReplaceAFileThatWasRead) {
  const TempDir folder;
  write_safetensors(folder / "x", {{"a", at::ones({1000})}}, {});
  const at::Tensor before = read_safetensors(folder / "x").tensors.at("a");
  write_safetensors(folder / "x", {{"a", at::zeros({1000})}}, {});
  EXPECT_EQ(before.sum().item<float>(), 1000);
}

TEST(Safetensors, ReadsOnlyWantedNames) {
  const TempDir folder;
  const NamedTensors tensors = {{"a", at::ones({1})}, {"b.x", at::zeros({2})}, {"b.y", at::ones({3})}};
  write_safetensors(folder / "x", tensors, {});
  expect_same_tensors(
      read_safetensors(folder / "x", [](std::string_view name) { return name.starts_with("b."); }),
      {{"b.x", at::zeros({2})}, {"b.y", at::ones({3})}});
  EXPECT_TRUE(read_safetensors(folder / "x", [](std::string_view) { return false; }).empty());
}

TEST(Safetensors, WritesTheTargetOfALink) {
  const TempDir folder;
  write_safetensors(folder / "x", {{"a", at::ones({1})}}, {});
  std::filesystem::create_symlink("x", folder / "link");
  write_safetensors(folder / "link", {{"b", at::ones({1})}}, {});
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_TRUE(read_safetensors(folder / "x").tensors.contains("b"));
}

TEST(Safetensors, RejectsEveryTruncation) {
  const TempDir folder;
  write_safetensors(folder / "x", {{"a", at::ones({5})}, {"b", at::ones({2}, at::kLong)}}, {{"k", "v"}});
  const std::string original = read_file(folder / "x");
  for (std::size_t length = 0; length < original.size(); ++length) {
    SCOPED_TRACE(length);
    testing::write_quickly(folder / "y", original.substr(0, length));
    expect_user_error([&] { read_safetensors(folder / "y"); }, {(folder / "y").string()});
  }
  expect_rejected(original.substr(0, original.size() - 1),
                  {"x.safetensors' is truncated", "36 bytes", "35", "again"});
}

TEST(Safetensors, NeverCrashesOnAFlippedByte) {
  const TempDir folder;
  write_safetensors(folder / "x", {{"a", at::ones({2, 2})}, {"b", at::ones({2}, at::kBool)}}, {{"k", "v"}});
  const std::string original = read_file(folder / "x");
  int num_rejected = 0;
  for (std::size_t index = 0; index < original.size(); ++index) {
    for (const int bit : {0, 3, 7}) {
      std::string damaged = original;
      damaged[index] = static_cast<char>(damaged[index] ^ (1 << bit));
      testing::write_quickly(folder / "y", damaged);
      try {
        read_safetensors(folder / "y");
      } catch (const UserError& error) {
        ++num_rejected;
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      }
    }
  }
  EXPECT_GT(num_rejected, 100);
}

TEST(Safetensors, RejectsFilesOfOtherFormats) {
  expect_rejected("", {"not a safetensors file", "0 bytes"});
  expect_rejected(std::string("PK\3\4") + std::string(100, 'x'), {"not a safetensors file", "JSON header"});
  expect_rejected(file_bytes("{\"a\": tru", 0), {"header is not JSON"});
  expect_rejected(file_bytes("{\"a\":[[[[1]]]]}", 0), {"nested too deeply"});
  expect_rejected(file_bytes("{\"a\":1e999}", 0), {"contains a number that is out of range"});
  expect_user_error([] { read_safetensors("/nowhere/x.safetensors"); },
                    {"/nowhere/x.safetensors", "No such file"});
}

TEST(Safetensors, RejectsTensorsThatDoNotMatchTheirBytes) {
  const auto one = [](const std::string& value) { return file_bytes("{\"t\":" + value + "}", 8); };
  expect_rejected(one(entry("F32", "[3]", "[0,8]")), {"'t' has 8 bytes", "needs 12"});
  expect_rejected(one(entry("F32", "[2]", "[8,0]")), {"'t'", "needs 8"});
  expect_rejected(one(entry("F32", "[1]", "[0,4]")), {"4 bytes follow its last tensor"});
  expect_rejected(one(entry("F32", "[1]", "[4,8]")), {"'t' begins at byte 4"});
  expect_rejected(one(entry("F32", "[4]", "[0,16]")), {"truncated", "16 bytes", "there are 8"});
  expect_rejected(one(entry("F32", "[4294967296,4294967296,4]", "[0,8]")),
                  {"'t' has more elements than fit"});
  expect_rejected(one(entry("F32", "[4294967296,4294967296,4294967296,0]", "[0,0]")),
                  {"'t' has more elements"});
  expect_rejected(one(entry("F32", "[-2]", "[0,8]")), {"shape of tensor 't' contains '-2'"});
  expect_rejected(one(entry("F32", "[2.0]", "[0,8]")), {"shape of tensor 't' contains '2.0'"});
  expect_rejected(one(entry("F32", "[18446744073709551615]", "[0,8]")), {"contains '18446744073709551615'"});
  expect_rejected(one(entry("F31", "[2]", "[0,8]")), {"'t' has the type 'F31'"});
  expect_rejected(one(entry("BOOL", "[8]", "[0,8]") + ",\"u\":" + entry("BOOL", "[1]", "[7,8]")),
                  {"'u' begins at byte 7"});
  expect_rejected(one("{\"dtype\":\"F32\"}"), {"'t' needs exactly dtype, shape and data_offsets"});
}

TEST(Safetensors, ReadsAnEmptyMetadataValue) {
  const TempDir folder;
  testing::write_quickly(folder / "x",
                         file_bytes("{\"__metadata__\":null,\"t\":" + entry("F32", "[2]", "[0,8]") + "}", 8));
  const SafetensorsFile read = read_safetensors(folder / "x");
  EXPECT_TRUE(read.metadata.empty());
  EXPECT_EQ(read.tensors.size(), 1u);
}

// A parser with a callback takes time in the square of the number of tensors: minutes for these.
TEST(Safetensors, ReadsManyTensorsInLinearTime) {
  constexpr int kTensors = 100'000;
  std::string header = "{";
  for (int i = 0; i < kTensors; ++i) {
    header +=
        fmt::format("{}\"t{}\":", i > 0 ? "," : "", i) + entry("U8", "[1]", fmt::format("[{},{}]", i, i + 1));
  }
  const TempDir folder;
  testing::write_quickly(folder / "x", file_bytes(header + "}", kTensors));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(read_safetensors(folder / "x", [](std::string_view) { return false; }).size(), 0u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(Safetensors, RejectsDuplicateNames) {
  const std::string tensor = "\"t\":" + entry("F32", "[2]", "[0,8]");
  expect_rejected(file_bytes("{" + tensor + "," + tensor + "}", 8), {"has 't' twice"});
}

TEST(Safetensors, RejectsInvalidBooleans) {
  std::string content = file_bytes("{\"t\":" + entry("BOOL", "[2]", "[0,2]") + "}", 2);
  content.back() = '\2';
  expect_rejected(content, {"'t' contains a boolean that is neither 0 nor 1"});
}

TEST(Safetensors, KeepsMessagesOnOneLineForAnyNames) {
  const std::string name = "a\\nb\\u001b[31m" + std::string(500, 'x');
  expect_rejected(file_bytes("{\"" + name + "\":1}", 0), {"'a?b?[31mxxx", "...' needs exactly"});
}

TEST(Safetensors, KeepsTheOldFileWhenTheNewOneCannotBeWritten) {
  const TempDir folder;
  write_safetensors(folder / "x", {{"a", at::ones({2})}}, {});
  expect_user_error([&] { write_safetensors(folder / "x" / "y", {}, {}); }, {"Not a directory"});
  expect_user_error([&] { write_safetensors(folder / "z", {{"\xff", at::ones({2})}}, {}); }, {"not UTF-8"});
  EXPECT_EQ(read_safetensors(folder / "x").tensors.at("a").numel(), 2);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace cloob

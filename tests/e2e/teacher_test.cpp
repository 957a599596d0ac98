// cloob teacher build as a user runs it.

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob::testing {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr std::int64_t kSamples = 96;
constexpr std::int64_t kColumns = 8;

ProgramResult run(const Words& arguments) { return run_cloob(tiny_project(), arguments); }

Words build(const std::string& features, const Words& more) {
  Words arguments = {"teacher",          "build", "--features",         features, "--data",
                     "data/train/*.tar", "--out", "teacher.safetensors"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

void expect_error(const Words& arguments, const Words& parts) {
  const ProgramResult result = run(arguments);
  EXPECT_EQ(result.exit_status, 2) << result.output << result.errors;
  for (const std::string& part : parts) EXPECT_THAT(result.errors, HasSubstr(part));
  EXPECT_EQ(split(result.errors, '\n').size(), 2U) << "one line: " << result.errors;
}

// An array as NumPy writes it: row k is k, k + 1, ... in column 0 and 1, ..., with a power of it in the last.
std::string npy(const std::string& type, const std::string& order, std::int64_t rows) {
  const std::string header = fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': ({}, {}), }}\n",
                                         type, order, rows, kColumns);
  std::vector<float> numbers;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < kColumns; ++column)
      numbers.push_back(static_cast<float>(column + 1 == kColumns ? (row * row) % 7 : row + column));
  }
  const std::span<const float> all = numbers;
  return "\x93NUMPY" + std::string("\x01\0", 2) + static_cast<char>(header.size()) + '\0' + header +
         as_string(std::as_bytes(all));
}

class TeacherBuild : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const ProgramResult list = run({"data", "list", "data/train/*.tar", "--data.shuffle", "none"});
    ASSERT_EQ(list.exit_status, 0) << list.errors;
    keys_ = split(std::string(trim(list.output)), '\n');
    ASSERT_EQ(std::ssize(keys_), kSamples);
    write_text(tiny_project() / "f.npy", npy("<f4", "False", kSamples));
  }
  static void write_keys(const Words& keys) {
    write_text(tiny_project() / "keys.txt", join(keys, "\n") + "\n");
  }
  static SafetensorsFile teacher() { return read_safetensors(tiny_project() / "teacher.safetensors"); }

  static inline Words keys_;
};

TEST_F(TeacherBuild, WritesARowForEverySample) {
  ProgramResult result = run(build("f.npy", {"--dim", "0"}));
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("features of 96 samples, 8 numbers each"));
  const at::Tensor in_order = teacher().tensors.at("features");
  EXPECT_EQ(in_order.sizes(), (at::IntArrayRef{kSamples, kColumns}));
  EXPECT_EQ(in_order[95][2].item<double>(), 97);

  Words keys = keys_;
  std::ranges::reverse(keys);
  write_keys(keys);
  result = run(build("f.npy", {"--dim", "0", "--keys", "keys.txt"}));
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  expect_close(teacher().tensors.at("features"), in_order.flip(0), 0, 0);
  EXPECT_THAT(teacher().metadata.at("command"), HasSubstr("teacher build --features f.npy"));
}

TEST_F(TeacherBuild, KeepsTheVarianceThatItSays) {
  const ProgramResult result = run(build("f.npy", {"--dim", "2", "--data.threads", "2"}));
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("2 numbers each, which keep 100.0 % of the variance of 8 numbers"));
  EXPECT_EQ(teacher().tensors.at("features").size(1), 2);
}

TEST_F(TeacherBuild, MistakesAreOneLine) {
  expect_error(build("none.npy", {}), {"none.npy", "No such file"});
  expect_error(build("f.npy", {}), {"64 dimensions", "8 numbers"});
  expect_error(build("f.npy", {"--dims", "2"}), {"--dims"});
  Words elsewhere = build("f.npy", {});
  elsewhere[5] = "nowhere/*.tar";
  expect_error(elsewhere, {"nowhere"});
  Words onto_itself = build("f.npy", {});
  onto_itself[7] = "f.npy";
  expect_error(onto_itself, {"f.npy' is read by this command"});

  write_text(tiny_project() / "short.npy", npy("<f4", "False", kSamples - 1));
  expect_error(build("short.npy", {"--dim", "2"}), {"95 rows", "96 samples"});
  write_text(tiny_project() / "cut.npy", npy("<f4", "False", kSamples).substr(0, 2000));
  expect_error(build("cut.npy", {"--dim", "2"}), {"cut.npy", "truncated"});
  write_text(tiny_project() / "order.npy", npy("<f4", "True", kSamples));
  expect_error(build("order.npy", {"--dim", "2"}), {"Fortran order"});
  write_text(tiny_project() / "endian.npy", npy(">f4", "False", kSamples));
  expect_error(build("endian.npy", {"--dim", "2"}), {"'>f4'", "little-endian"});
  write_text(tiny_project() / "pointer.npy", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  expect_error(build("pointer.npy", {"--dim", "2"}), {"Git LFS pointer"});

  Words keys = keys_;
  keys[0] = keys[1];
  write_keys(keys);
  expect_error(build("f.npy", {"--dim", "2", "--keys", "keys.txt"}),
               {"1 sample of the data has no row ('" + keys_[0] + "')",
                "1 row has a key that an earlier row has", "'" + keys_[1] + "' in lines 1 and 2"});
}

}  // namespace
}  // namespace cloob::testing

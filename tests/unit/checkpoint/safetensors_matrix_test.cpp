#include "cloob/checkpoint/safetensors_matrix.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/checkpoint/safetensors.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;

class SafetensorsMatrixTest : public ::testing::Test {
 protected:
  void write(const NamedTensors& tensors) { write_safetensors(file_, tensors, {{"a", "b"}}); }
  std::vector<float> read(std::int64_t first, std::int64_t count, const std::string& name = "") const {
    const SafetensorsMatrix matrix(file_, name);
    std::vector<float> numbers(static_cast<std::size_t>(count * matrix.columns()));
    matrix.read(first, count, numbers);
    return numbers;
  }
  void expect_rejected(const std::string& name, std::initializer_list<std::string> parts) const {
    expect_user_error([&] { SafetensorsMatrix(file_, name); }, parts);
  }

  TempDir folder_;
  std::filesystem::path file_ = folder_ / "x.safetensors";
};

TEST_F(SafetensorsMatrixTest, ReadsRowsOfEveryType) {
  const at::Tensor numbers = at::arange(12, at::kDouble).reshape({4, 3}) / 4 - 1;
  for (const auto type : {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
    write({{"other", at::ones({3}, at::kByte)}, {"features", numbers.to(type)}});
    EXPECT_EQ(read(1, 2), (std::vector<float>{-0.25f, 0.0f, 0.25f, 0.5f, 0.75f, 1.0f}))
        << c10::toString(type);
  }
  const SafetensorsMatrix matrix(file_);
  EXPECT_EQ(matrix.rows(), 4);
  EXPECT_EQ(matrix.columns(), 3);
  EXPECT_EQ(matrix.metadata().at("a"), "b");
}

TEST_F(SafetensorsMatrixTest, TakesTheOnlyTensorOrTheNamedOne) {
  write({{"x", at::ones({1, 2})}});
  EXPECT_EQ(read(0, 1), (std::vector<float>{1, 1}));
  write({{"x", at::ones({1, 2})}, {"y", at::zeros({1, 2})}});
  EXPECT_EQ(read(0, 1, "y"), (std::vector<float>{0, 0}));
  expect_rejected("", {"2 tensors ('x', 'y')", "features"});
  expect_rejected("z", {"no tensor 'z', but 'x', 'y'"});
}

TEST_F(SafetensorsMatrixTest, RejectsOtherTensorsAndDamage) {
  write({{"features", at::ones({4})}});
  expect_rejected("", {"1 dimensions"});
  write({{"features", at::ones({2, 2}, at::kLong)}});
  expect_rejected("", {"type I64"});
  write({{"features", at::ones({0, 2})}});
  expect_rejected("", {"0 x 2"});
  write({});
  expect_rejected("", {"no tensor"});
  write({{"features", at::ones({2, 2})}});
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 1);
  expect_rejected("", {"truncated"});
  testing::write_text(file_, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
  expect_rejected("", {"Git LFS pointer"});
}

// Several blocks: 16 MiB are written at once.
TEST_F(SafetensorsMatrixTest, WritesWhatReadsAsOneTensor) {
  constexpr std::int64_t kRows = 2'100'000, kColumns = 3;
  std::int64_t next = 0;
  write_safetensors_matrix(file_, kRows, kColumns, {{"made by", "a test"}},
                           [&](std::int64_t first, std::int64_t count, std::span<float> into) {
                             EXPECT_EQ(first, next);
                             EXPECT_EQ(std::ssize(into), count * kColumns);
                             next += count;
                             for (std::size_t i = 0; i < into.size(); ++i)
                               into[i] = static_cast<float>(first * kColumns + static_cast<std::int64_t>(i));
                           });
  EXPECT_EQ(next, kRows);
  const SafetensorsFile file = read_safetensors(file_);
  EXPECT_EQ(file.metadata.at("made by"), "a test");
  testing::expect_close(file.tensors.at("features"),
                        at::arange(kRows * kColumns, at::kFloat).reshape({kRows, kColumns}), 0, 0);
}

}  // namespace
}  // namespace cloob

#include "support/support.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <cstdlib>

#include "cloob/base/error.h"

namespace cloob::testing {
namespace {

std::string index_text(const at::Tensor& tensor, std::int64_t flat_index) {
  std::string text;
  for (std::int64_t dimension = tensor.dim(); dimension-- > 0;) {
    text = std::to_string(flat_index % tensor.size(dimension)) + (text.empty() ? "" : ", ") + text;
    flat_index /= tensor.size(dimension);
  }
  return "[" + text + "]";
}

// LibTorch's generator starts with another seed in every process; a test has the same numbers in each run.
class SeedEachTest final : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override { at::manual_seed(1); }
};

[[maybe_unused]] const bool seeds_each_test = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new SeedEachTest);
  return true;
}();

bool same_shape(const at::Tensor& actual, const at::Tensor& expected, const std::string& name) {
  if (actual.sizes() == expected.sizes()) return true;
  ADD_FAILURE() << name << ": shape " << actual.sizes() << ", expected " << expected.sizes();
  return false;
}

}  // namespace

void expect_close(const at::Tensor& actual, const at::Tensor& expected, double rtol, double atol,
                  const std::string& name) {
  if (!same_shape(actual, expected, name)) return;
  if (actual.numel() == 0) return;
  const at::Tensor a = actual.detach().to(at::kDouble).flatten();
  const at::Tensor e = expected.detach().to(at::kDouble).flatten();
  const at::Tensor excess = (a - e).abs() - (atol + rtol * e.abs());
  if (excess.le(0).all().item<bool>()) return;
  const auto worst = excess.nan_to_num(INFINITY).argmax().item<std::int64_t>();
  ADD_FAILURE() << name << ": " << excess.le(0).logical_not().sum().item<std::int64_t>() << " of "
                << a.numel() << " elements differ, shape " << actual.sizes() << ", worst at "
                << index_text(actual, worst) << ": " << a[worst].item<double>() << ", expected "
                << e[worst].item<double>() << " (rtol " << rtol << ", atol " << atol << ")";
}

void expect_relative_norm(const at::Tensor& actual, const at::Tensor& expected, double tolerance,
                          const std::string& name) {
  if (!same_shape(actual, expected, name)) return;
  const at::Tensor a = actual.detach().to(at::kDouble);
  const at::Tensor e = expected.detach().to(at::kDouble);
  const double difference = (a - e).norm().item<double>();
  const double norm = e.norm().item<double>();
  EXPECT_LE(difference, tolerance * norm)
      << name << ": norm of the difference " << difference << ", norm of the expected value " << norm;
}

void expect_user_error(const std::function<void()>& action, std::initializer_list<std::string> parts) {
  try {
    action();
  } catch (const UserError& error) {
    const std::string message = error.what();
    for (const std::string& part : parts) EXPECT_THAT(message, ::testing::HasSubstr(part));
    return;
  }
  ADD_FAILURE() << "no UserError was thrown";
}

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "cloob_test_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot create " + pattern);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path source_dir() { return CLOOB_SOURCE_DIR; }
std::filesystem::path binary_dir() { return CLOOB_BINARY_DIR; }
std::filesystem::path golden_path(const std::string& name) {
  return source_dir() / "tests" / "golden" / name;
}

std::filesystem::path shared_data_dir() { return source_dir().parent_path() / "shared" / "data"; }

}  // namespace cloob::testing

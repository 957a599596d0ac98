// Statistics equal SciPy's (tools/goldens/make_statistics.py).
#include "cloob/report/statistics.h"

#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "support/support.h"

namespace cloob {
namespace {

const nlohmann::json& golden() {
  static const nlohmann::json json = parse_json(read_file(testing::golden_path("report/statistics.json")));
  return json;
}

void expect_near(double actual, double expected, const nlohmann::json& what) {
  EXPECT_NEAR(actual, expected, 1e-10 * std::abs(expected) + 1e-14) << what.dump();
}

TEST(Statistics, PairedTestsEqualSciPy) {
  for (const auto& expected : golden()["paired"]) {
    const PairedTest test = paired_test(expected["differences"].get<std::vector<double>>(), /*scale=*/0);
    expect_near(test.mean, expected["mean"], expected);
    expect_near(test.deviation, expected["deviation"], expected);
    expect_near(test.t, expected["t"], expected);
    expect_near(test.p, expected["p"], expected);
    expect_near(test.low, expected["low"], expected);
    expect_near(test.high, expected["high"], expected);
    expect_near(test.sign_p, expected["sign_p"], expected);
  }
}

TEST(Statistics, SignTestsEqualSciPy) {
  for (const auto& expected : golden()["sign"])
    expect_near(sign_test_p(expected["wins"], expected["losses"]), expected["p"], expected);
}

TEST(Statistics, DistributionsEqualSciPy) {
  for (const auto& expected : golden()["beta"])
    expect_near(incomplete_beta(expected["a"], expected["b"], expected["x"]), expected["value"], expected);
  for (const auto& expected : golden()["critical"])
    expect_near(student_t_critical(expected["p"], expected["freedom"]), expected["t"], expected);
}

TEST(Statistics, HolmsCorrectionFollowsItsDefinition) {
  for (const auto& expected : golden()["holm"]) {
    const auto adjusted = holm_adjusted(expected["p"].get<std::vector<double>>());
    ASSERT_EQ(adjusted.size(), expected["adjusted"].size());
    for (std::size_t i = 0; i < adjusted.size(); ++i)
      expect_near(adjusted[i], expected["adjusted"][i], expected);
  }
}

}  // namespace
}  // namespace cloob

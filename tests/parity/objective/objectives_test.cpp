// The four objectives against the CLOOB authors' code in fp64 (tools/goldens/make_loss.py).
#include <ATen/ATen.h>

#include <set>

#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/objective/contrastive_objective.h"
#include "support/support.h"

namespace cloob {
namespace {

// The largest error is the rounding of gradients to fp32 in the golden file.
constexpr double kTolerance = 1e-6;

struct Case {
  LossConfig loss;
  RetrievalConfig retrieval;
  at::Tensor log_inv_tau;
  double retrieved_fraction = 1;
};

// The settings of a case such as "info_nce-hopfield-3": kinds from its label, numbers from the file.
Case read_case(const std::string& label, const at::Tensor& settings) {
  const std::vector<std::string> words = split(label, '-');
  const auto number = [&](std::int64_t index) { return settings[index].item<double>(); };
  Case result;
  result.loss.kind = words.at(0) == "info_nce" ? LossKind::info_nce : LossKind::info_loob;
  result.retrieval.kind = words.at(1) == "none" ? RetrievalKind::none : RetrievalKind::hopfield;
  result.log_inv_tau = at::scalar_tensor(number(0), at::kDouble).log().requires_grad_();
  result.retrieval.beta = number(1);
  result.retrieval.update_steps = static_cast<std::int64_t>(number(2));
  result.retrieved_fraction = number(3);
  return result;
}

at::Tensor evaluate(const Case& test, const at::Tensor& image, const at::Tensor& text,
                    const ContrastiveObjective& objective) {
  return objective.evaluate(image, text, test.log_inv_tau.exp(), test.retrieved_fraction);
}

void expect_case(const std::string& label, const NamedTensors& golden) {
  SCOPED_TRACE(label);
  const auto expected = [&](const std::string& key) { return golden.at(label + "." + key); };
  Case test = read_case(label, expected("settings"));
  const at::Tensor image = golden.at("image").clone().requires_grad_();
  const at::Tensor text = golden.at("text").clone().requires_grad_();
  const at::Tensor loss =
      evaluate(test, image, text, ContrastiveObjective(test.loss, test.retrieval, at::kCPU));
  loss.backward();
  testing::expect_close(loss, expected("loss"), 1e-11, 1e-13, "loss");
  testing::expect_relative_norm(image.grad(), expected("grad_image"), kTolerance, "image");
  testing::expect_relative_norm(text.grad(), expected("grad_text"), kTolerance, "text");
  testing::expect_close(test.log_inv_tau.grad(), expected("grad_log_inv_tau"), 1e-10, 1e-13, "log_inv_tau");
  if (test.retrieval.kind == RetrievalKind::none) return;

  test.retrieval.learn_beta = true;
  const ContrastiveObjective learned(test.loss, test.retrieval, at::kCPU);
  evaluate(test, image, text, learned).backward();
  const at::Tensor gradient = learned.parameters().at("log_beta").grad();
  // log_beta is fp32, like every parameter.
  testing::expect_close(gradient, expected("grad_log_beta"), 1e-5, 1e-9, "log_beta");
}

void expect_file(const std::string& name, std::size_t num_cases) {
  const NamedTensors golden = read_safetensors(testing::golden_path("loss/" + name)).tensors;
  std::set<std::string> labels;
  for (const auto& [key, tensor] : golden) {
    if (const std::size_t end = key.find('.'); end != std::string::npos) labels.insert(key.substr(0, end));
  }
  ASSERT_EQ(labels.size(), num_cases);
  for (const std::string& label : labels) expect_case(label, golden);
}

TEST(Objectives, MatchTheReferenceOnALargerRandomBatch) { expect_file("objectives_large.safetensors", 4); }

TEST(Objectives, MatchTheReferenceForManySettings) { expect_file("objectives_small.safetensors", 20); }

}  // namespace
}  // namespace cloob

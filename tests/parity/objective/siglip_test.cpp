// The sigmoid loss against open_clip's SigLipLoss in fp64, in one process and in several (tools/goldens/make_siglip.py).
#include <ATen/ATen.h>

#include <vector>

#include "cloob/checkpoint/safetensors.h"
#include "cloob/objective/contrastive_objective.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

// The largest error is the rounding of gradients to fp32 in the golden file.
constexpr double kTolerance = 1e-6;

struct Leaves {
  at::Tensor image, text, log_inv_tau, bias;

  LogitScaling scaling() const { return {log_inv_tau.exp(), bias}; }
};

at::Tensor leaf(const at::Tensor& tensor) { return tensor.detach().clone().requires_grad_(); }

struct Results {
  at::Tensor loss, grad_image, grad_text, grad_log_inv_tau, grad_bias;
};

Results results_of(const at::Tensor& loss, const Leaves& leaves) {
  loss.backward();
  return {loss.detach(), leaves.image.grad(), leaves.text.grad(), leaves.log_inv_tau.grad(),
          leaves.bias.grad()};
}

// Rows of one rank after another, the rest summed.
Results joined(const std::vector<Results>& ranks) {
  std::vector<at::Tensor> images, texts;
  Results all{at::zeros({}, at::kDouble), {}, {}, at::zeros({}, at::kDouble), at::zeros({}, at::kDouble)};
  for (const Results& rank : ranks) {
    images.push_back(rank.grad_image);
    texts.push_back(rank.grad_text);
    all.loss += rank.loss;
    all.grad_log_inv_tau += rank.grad_log_inv_tau;
    all.grad_bias += rank.grad_bias;
  }
  all.grad_image = at::cat(images);
  all.grad_text = at::cat(texts);
  return all;
}

Results on_ranks(const ContrastiveObjective& objective, const Leaves& leaves, std::int64_t num_ranks) {
  std::vector<Results> results(static_cast<std::size_t>(num_ranks));
  const std::int64_t rows = leaves.image.size(0) / num_ranks;
  testing::run_ranks(num_ranks, [&](const Collectives& collectives) {
    const std::int64_t first = collectives.rank() * rows;
    const Leaves own{leaf(leaves.image.narrow(0, first, rows)), leaf(leaves.text.narrow(0, first, rows)),
                     leaf(leaves.log_inv_tau), leaf(leaves.bias)};
    results[static_cast<std::size_t>(collectives.rank())] =
        results_of(objective.evaluate(own.image, own.text, own.scaling(), collectives), own);
  });
  return joined(results);
}

TEST(SigLip, MatchesOpenClipInOneProcessAndInSeveral) {
  const NamedTensors golden = read_safetensors(testing::golden_path("loss/siglip.safetensors")).tensors;
  constexpr std::int64_t kCases = 10;
  ASSERT_EQ(golden.size(), 2 + 6 * kCases);
  for (std::int64_t index = 0; index < kCases; ++index) {
    SCOPED_TRACE(index);
    const auto expected = [&](const char* key) { return golden.at(std::to_string(index) + "." + key); };
    const auto setting = [&](std::int64_t number) { return expected("settings")[number].item<double>(); };
    const double beta = setting(2);
    const ContrastiveObjective objective(
        {.kind = LossKind::sigmoid},
        {.kind = beta > 0 ? RetrievalKind::hopfield : RetrievalKind::none, .beta = beta > 0 ? beta : 1},
        at::kCPU);
    const Leaves leaves{leaf(golden.at("image")), leaf(golden.at("text")),
                        at::scalar_tensor(setting(0), at::kDouble).log().requires_grad_(),
                        at::scalar_tensor(setting(1), at::kDouble).requires_grad_()};
    const auto num_ranks = static_cast<std::int64_t>(setting(3));
    const Results actual =
        num_ranks > 1 ? on_ranks(objective, leaves, num_ranks)
                      : results_of(objective.evaluate(leaves.image, leaves.text, leaves.scaling()), leaves);
    testing::expect_close(actual.loss, expected("loss"), 1e-12, 0, "loss");
    testing::expect_relative_norm(actual.grad_image, expected("grad_image"), kTolerance, "image");
    testing::expect_relative_norm(actual.grad_text, expected("grad_text"), kTolerance, "text");
    testing::expect_close(actual.grad_log_inv_tau, expected("grad_log_inv_tau"), 1e-11, 1e-12, "log_inv_tau");
    testing::expect_close(actual.grad_bias, expected("grad_bias"), 1e-11, 1e-12, "bias");
  }
}

}  // namespace
}  // namespace cloob

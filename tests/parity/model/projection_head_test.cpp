// Projection heads against those of ProtoCLIP's authors (tools/goldens/make_protoclip.py).
#include "cloob/model/projection_head.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "cloob/checkpoint/safetensors.h"
#include "support/support.h"

namespace cloob {
namespace {

class Golden {
 public:
  Golden(std::int64_t layers, bool train)
      : prefix_(fmt::format("{}-{}.", layers, train ? "train" : "eval")) {}

  const at::Tensor& at(const std::string& key) const { return all().at(prefix_ + key); }
  std::size_t count(const std::string& beginning) const {
    std::size_t count = 0;
    for (const auto& [key, tensor] : all()) count += key.starts_with(prefix_ + beginning) ? 1 : 0;
    return count;
  }

 private:
  static const NamedTensors& all() {
    static const NamedTensors tensors =
        read_safetensors(testing::golden_path("model/projection_head.safetensors")).tensors;
    return tensors;
  }

  std::string prefix_;
};

void expect_head(std::int64_t layers, bool train, at::ScalarType type, double tolerance) {
  SCOPED_TRACE(fmt::format("{} hidden layers, train {}", layers, train));
  const Golden golden(layers, train);
  Initializer initializer = Initializer::uninitialized();
  ProjectionHead head(ProjectionHeadOptions{.in = 12, .hidden = 6, .out = 8, .hidden_layers = layers},
                      initializer);
  head->to(type);
  head->train(train);
  auto parameters = head->named_parameters(), buffers = head->named_buffers();
  ASSERT_EQ(parameters.size() + buffers.size(), golden.count("weight."));
  {
    const at::NoGradGuard no_grad;
    for (auto& item : parameters) item.value().copy_(golden.at("weight." + item.key()));
    for (auto& item : buffers) item.value().copy_(golden.at("weight." + item.key()));
  }
  const at::Tensor input =
      golden.at("input").to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_();
  const at::Tensor output = head->forward(input);
  output.backward(at::linspace(-1, 1, output.numel(), at::kDouble).reshape(output.sizes()).to(type));
  EXPECT_EQ(output.scalar_type(), type);
  testing::expect_relative_norm(output, golden.at("output"), tolerance, "output");
  testing::expect_relative_norm(input.grad(), golden.at("grad_input"), tolerance, "input");
  // In training, batch norms take away what the biases before them add: gradients of 0 but for rounding.
  for (const auto& item : parameters)
    testing::expect_close(item.value().grad(), golden.at("grad." + item.key()), 100 * tolerance,
                          10 * tolerance, item.key());
  for (const auto& item : buffers)
    testing::expect_close(item.value(), golden.at("after." + item.key()), tolerance, tolerance, item.key());
}

TEST(ProjectionHead, MatchesTheReference) {
  for (const std::int64_t layers : {0, 1, 2}) {
    for (const bool train : {false, true}) {
      expect_head(layers, train, at::kDouble, 1e-12);
      expect_head(layers, train, at::kFloat, 1e-6);
    }
  }
}

}  // namespace
}  // namespace cloob

#include "cloob/nn/attention.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

/// The definition, one head at a time.
at::Tensor reference_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                               std::int64_t heads, bool causal) {
  const std::int64_t head_width = query.size(2) / heads;
  std::vector<at::Tensor> outputs;
  for (std::int64_t head = 0; head < heads; ++head) {
    const auto of_head = [&](const at::Tensor& x) { return x.narrow(2, head * head_width, head_width); };
    at::Tensor scores = at::matmul(of_head(query), of_head(key).transpose(1, 2))
                            .div(std::sqrt(static_cast<double>(head_width)));
    if (causal) {
      const at::Tensor future = at::ones({query.size(1), key.size(1)}, at::kBool).triu(1);
      scores = scores.masked_fill(future, -INFINITY);
    }
    outputs.push_back(at::matmul(scores.softmax(2), of_head(value)));
  }
  return at::cat(outputs, 2);
}

at::Tensor random_tensor(at::IntArrayRef shape) { return at::randn(shape, at::kDouble); }

TEST(Attend, MatchesTheDefinition) {
  const at::Tensor query = random_tensor({2, 5, 12}), key = random_tensor({2, 5, 12}),
                   value = random_tensor({2, 5, 12});
  for (const bool causal : {false, true}) {
    testing::expect_close(attend(query, key, value, 3, causal),
                          reference_attention(query, key, value, 3, causal), 1e-10, 1e-12);
  }
}

struct Shape {
  std::int64_t queries, keys;
  bool causal;
};

// In bf16 on the CPU, long sequences use our own backward pass and short ones are computed in float32.
TEST(Attend, GradientsInBf16MatchTheDefinition) {
  at::manual_seed(1);
  for (const auto [queries, keys, causal] :
       {Shape{9, 9, false}, Shape{9, 9, true}, Shape{1, 9, false}, Shape{50, 50, false}, Shape{50, 50, true},
        Shape{1, 50, false}}) {
    std::vector<at::Tensor> bf16, exact;
    for (const std::int64_t length : {queries, keys, keys}) {
      const at::Tensor values = (2 * at::randn({5, length, 60})).to(at::kBFloat16);
      bf16.push_back(values.clone().requires_grad_());
      exact.push_back(values.to(at::kDouble).requires_grad_());
    }
    const at::Tensor gradient = at::randn({5, queries, 60}).to(at::kBFloat16);
    const at::Tensor actual = attend(bf16[0], bf16[1], bf16[2], 3, causal);
    actual.backward(gradient);
    const at::Tensor expected = reference_attention(exact[0], exact[1], exact[2], 3, causal);
    expected.backward(gradient.to(at::kDouble));
    EXPECT_EQ(actual.scalar_type(), at::kBFloat16);
    testing::expect_relative_norm(actual.to(at::kDouble), expected, 5e-3, "output");
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(bf16[i].grad().sizes(), bf16[i].sizes());
      testing::expect_relative_norm(bf16[i].grad().to(at::kDouble), exact[i].grad(), 1e-2, std::to_string(i));
    }
  }
}

// Gradient caching encodes twice, first without gradients.
TEST(Attend, InBf16GivesTheSameWithAndWithoutGradients) {
  for (const std::int64_t length : {9, 50}) {
    const at::Tensor x = at::randn({5, length, 60}).to(at::kBFloat16);
    const at::Tensor with_gradient = x.clone().requires_grad_();
    EXPECT_TRUE(attend(with_gradient, x, x, 3, /*causal=*/true).equal(attend(x, x, x, 3, /*causal=*/true)));
  }
}

TEST(Attend, AcceptsOneQueryForManyKeys) {
  const at::Tensor query = random_tensor({2, 1, 12}), key = random_tensor({2, 7, 12}),
                   value = random_tensor({2, 7, 12});
  const at::Tensor pooled = attend(query, key, value, 3, /*causal=*/false);
  EXPECT_EQ(pooled.sizes(), at::IntArrayRef({2, 1, 12}));
  testing::expect_close(pooled, reference_attention(query, key, value, 3, /*causal=*/false), 1e-10, 1e-12);
}

}  // namespace
}  // namespace cloob

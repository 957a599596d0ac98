#include "cloob/nn/attention.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

/// Head by head, written out.
at::Tensor attention_by_definition(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
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

at::Tensor numbers(at::IntArrayRef shape) { return at::randn(shape, at::kDouble); }

TEST(Attend, EqualsItsDefinition) {
  const at::Tensor query = numbers({2, 5, 12}), key = numbers({2, 5, 12}), value = numbers({2, 5, 12});
  for (const bool causal : {false, true}) {
    testing::expect_close(attend(query, key, value, 3, causal),
                          attention_by_definition(query, key, value, 3, causal), 1e-10, 1e-12);
  }
}

TEST(Attend, TakesOneQueryAgainstManyKeys) {
  const at::Tensor query = numbers({2, 1, 12}), key = numbers({2, 7, 12}), value = numbers({2, 7, 12});
  const at::Tensor pooled = attend(query, key, value, 3, /*causal=*/false);
  EXPECT_EQ(pooled.sizes(), at::IntArrayRef({2, 1, 12}));
  testing::expect_close(pooled, attention_by_definition(query, key, value, 3, /*causal=*/false), 1e-10,
                        1e-12);
}

}  // namespace
}  // namespace cloob

#include "model/packed_texts.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <set>
#include <vector>

#include "cloob/base/named_tensors.h"
#include "cloob/device/autocast.h"
#include "support/support.h"
#include "tiny_models.h"

namespace cloob {
namespace {

using testing::take_gradients;

// Tokens are numbered from 1, so that none equals the filler's token 0.
PackedTexts pack(const std::vector<std::int64_t>& ends, TextFiller filler) {
  const auto count = static_cast<std::int64_t>(ends.size());
  const at::Tensor tokens = at::arange(1, count * 10 + 1).view({count, 10});
  return pack_texts(tokens, at::tensor(ends), filler, at::kCPU);
}

TEST(PackTexts, GroupsTextsOfEqualLength) {
  const PackedTexts packed = pack({2, 0, 2}, TextFiller::none);
  ASSERT_EQ(packed.groups.size(), 2);
  EXPECT_EQ(packed.groups[0].count, 1);
  EXPECT_EQ(packed.groups[0].length, 1);
  EXPECT_EQ(packed.groups[1].count, 2);
  EXPECT_EQ(packed.groups[1].length, 3);
  EXPECT_TRUE(packed.ids_T.equal(at::tensor({11, 1, 2, 3, 21, 22, 23}, at::kLong)));
  EXPECT_TRUE(packed.positions_T.equal(at::tensor({0, 0, 1, 2, 0, 1, 2}, at::kLong)));
  EXPECT_TRUE(packed.sequence_of_text_B.equal(at::tensor({1, 0, 2}, at::kLong)));
}

TEST(PackTexts, KeepsTheOrderOfTextsOfEqualLength) {
  const PackedTexts packed = pack({4, 4}, TextFiller::to_few_sizes);
  EXPECT_EQ(packed.groups.size(), 1);
  EXPECT_FALSE(packed.sequence_of_text_B.defined());
}

TEST(PackTexts, PadsToFewDistinctTokenCountsAtLittleCost) {
  at::manual_seed(0);
  for (const std::int64_t num_texts : {100, 3000}) {
    std::set<std::int64_t> token_counts;
    for (int batch = 0; batch < 50; ++batch) {
      const at::Tensor ends = at::randint(4, 10, {num_texts}, at::kLong);
      const std::vector<std::int64_t> list(ends.const_data_ptr<std::int64_t>(),
                                           ends.const_data_ptr<std::int64_t>() + num_texts);
      const PackedTexts plain = pack(list, TextFiller::none), filled = pack(list, TextFiller::to_few_sizes);
      const std::int64_t before = plain.ids_T.size(0), after = filled.ids_T.size(0);
      EXPECT_GT(after, before);
      EXPECT_LE(after, before + before / 32);
      EXPECT_GT(filled.groups.size(), plain.groups.size());
      std::int64_t in_groups = 0;
      for (const SequenceGroup& group : filled.groups) {
        in_groups += group.count * group.length;
        EXPECT_LE(group.length, 32);
      }
      EXPECT_EQ(in_groups, after);
      EXPECT_TRUE(filled.ids_T.narrow(0, 0, before).equal(plain.ids_T));
      EXPECT_EQ(filled.positions_T.narrow(0, before, after - before).max().item<std::int64_t>(), 0);
      token_counts.insert(after);
    }
    EXPECT_LE(token_counts.size(), 8);
  }
}

// In bf16 on the CPU a batch of different lengths has a filler, texts of equal length do not.
TEST(PackTexts, TheFillerHasNoInfluence) {
  DualEncoder model = testing::random_model(testing::tiny_vit(), 1);
  const Autocast autocast(at::kCPU, Precision::bf16);
  at::manual_seed(1);
  const at::Tensor tokens = at::randint(1, 40, {40, 10}, at::kLong);
  const at::Tensor ends = at::randint(3, 10, {40}, at::kLong);
  const PackedTexts filled = pack_texts(tokens, ends, TextFiller::to_few_sizes, at::kCPU);
  ASSERT_GT(filled.ids_T.numel(), (ends + 1).sum().item<std::int64_t>());
  const at::Tensor together = model->encode_text(tokens, ends);
  together.pow(3).sum().backward();
  const NamedTensors gradients = take_gradients(model);
  at::Tensor alone = at::empty_like(together);
  for (std::int64_t text = 0; text < tokens.size(0); ++text) {
    const at::Tensor features = model->encode_text(tokens.narrow(0, text, 1), ends.narrow(0, text, 1));
    features.pow(3).sum().backward();
    const at::NoGradGuard no_grad;
    alone.narrow(0, text, 1).copy_(features);
  }
  testing::expect_relative_norm(together, alone, 0.01);
  for (const auto& [name, gradient] : take_gradients(model))
    testing::expect_relative_norm(gradients.at(name), gradient, 0.05, name);
  // Only the filler has token 0.
  EXPECT_EQ(gradients.at("token_embedding.weight")[0].abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace cloob

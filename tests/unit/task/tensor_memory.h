// A memory in tensors, for tests.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "cloob/model/pair_memory.h"

namespace cloob::testing {

class TensorMemory final : public PairMemory {
 public:
  TensorMemory(at::Tensor image_ND, at::Tensor text_ND, std::vector<std::string> keys)
      : image_ND_(std::move(image_ND)), text_ND_(std::move(text_ND)), keys_(std::move(keys)) {}

  /// The other pairs.
  TensorMemory without(std::int64_t row) const {
    const at::Tensor others = at::arange(size()).ne(row).nonzero().squeeze(1);
    std::vector<std::string> keys = keys_;
    keys.erase(keys.begin() + row);
    return {image_ND_.index_select(0, others), text_ND_.index_select(0, others), std::move(keys)};
  }

  std::int64_t size() const override { return image_ND_.size(0); }
  std::int64_t dims() const override { return image_ND_.size(1); }
  std::string describe() const override { return "the memory of a test"; }
  std::string identity() const override {
    std::string all;
    for (const std::string& key : keys_) all += key + "\n";
    return all + std::to_string(image_ND_.sum().item<double>());
  }

  at::Tensor nearest(Modality searched, const at::Tensor& query_QD, std::int64_t k,
                     const LeftOutPairs* left_out) const override {
    at::Tensor scores_QN = query_QD.to(at::kDouble).matmul(of(searched).to(at::kDouble).t());
    if (left_out != nullptr) {
      scores_QN.masked_fill_(is_left_out(*left_out), -std::numeric_limits<double>::infinity());
    }
    const auto [sorted_QN, order_QN] = scores_QN.sort(/*stable=*/true, /*dim=*/1, /*descending=*/true);
    const at::Tensor rows_QN = order_QN.masked_fill(sorted_QN.isinf(), -1);
    const at::Tensor padding =
        at::full({query_QD.size(0), std::max<std::int64_t>(0, k - size())}, -1, at::kLong);
    return at::cat({rows_QN, padding}, 1).narrow(1, 0, k).contiguous();
  }

  at::Tensor features(Modality modality, const at::Tensor& rows) const override {
    std::vector<std::int64_t> shape = rows.sizes().vec();
    shape.push_back(dims());
    const at::Tensor flat = rows.reshape({-1});
    const at::Tensor features = of(modality).index_select(0, flat.clamp_min(0));
    return (features * flat.ge(0).unsqueeze(1).to(features.scalar_type())).reshape(shape).to(at::kFloat);
  }

 private:
  const at::Tensor& of(Modality modality) const { return modality == Modality::image ? image_ND_ : text_ND_; }

  at::Tensor is_left_out(const LeftOutPairs& pairs) const {
    const at::Tensor similar_QN =
        pairs.image_QD.to(at::kDouble).matmul(image_ND_.to(at::kDouble).t()).ge(pairs.similarity) |
        pairs.text_QD.to(at::kDouble).matmul(text_ND_.to(at::kDouble).t()).ge(pairs.similarity);
    for (std::size_t query = 0; query < pairs.keys.size(); ++query) {
      for (std::size_t row = 0; row < keys_.size(); ++row) {
        if (keys_[row] == pairs.keys[query])
          similar_QN[static_cast<std::int64_t>(query)][static_cast<std::int64_t>(row)].fill_(true);
      }
    }
    return similar_QN;
  }

  at::Tensor image_ND_, text_ND_;
  std::vector<std::string> keys_;
};

}  // namespace cloob::testing

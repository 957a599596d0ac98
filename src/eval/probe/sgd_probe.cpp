// Shapes: B rows of a batch, on this rank, D features, K classes.
#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/random.h"
#include "cloob/data/order/permutation.h"
#include "cloob/eval/probe/linear_probe.h"

namespace cloob {
namespace {

struct RowBatch {
  at::Tensor features_BD;
  at::Tensor label_B;
};

/// The rows of this rank, by their number among those of all.
class OwnRows {
 public:
  OwnRows(const std::vector<LabeledPart>& parts, const Collectives& collectives) : parts_(parts) {
    std::int64_t own = 0;
    for (const LabeledPart& part : parts) {
      begins_.push_back(own);
      own += part.features_BD.size(0);
    }
    const at::Tensor counts_W = collectives.gather_rows(at::full({1}, own, at::kLong)).rows_ND.contiguous();
    const auto* counts = counts_W.const_data_ptr<std::int64_t>();
    first_ = std::accumulate(counts, counts + collectives.rank(), std::int64_t{0});
    end_ = first_ + own;
    all_ = std::accumulate(counts, counts + counts_W.numel(), std::int64_t{0});
  }

  std::int64_t num_of_all() const { return all_; }
  bool has(std::int64_t row) const { return row >= first_ && row < end_; }
  RowBatch rows(const std::vector<std::int64_t>& numbers, std::int64_t dim) const {
    RowBatch batch{at::empty({std::ssize(numbers), dim}, at::kFloat), {}};
    std::vector<std::int64_t> labels;
    auto* to = batch.features_BD.data_ptr<float>();
    for (const std::int64_t number : numbers) {
      const auto begin = std::ranges::upper_bound(begins_, number - first_) - 1;
      const LabeledPart& part = parts_[static_cast<std::size_t>(begin - begins_.begin())];
      const std::int64_t row = number - first_ - *begin;
      to = std::copy_n(part.features_BD.const_data_ptr<float>() + row * dim, dim, to);
      labels.push_back(part.labels[static_cast<std::size_t>(row)]);
    }
    batch.label_B = at::tensor(labels, at::kLong);
    return batch;
  }

 private:
  const std::vector<LabeledPart>& parts_;
  std::vector<std::int64_t> begins_;  // of parts, among the rows of this rank
  std::int64_t first_ = 0, end_ = 0, all_ = 0;
};

/// PyTorch's SGD with momentum: weight decay is part of the gradient, of the bias too.
class Momentum {
 public:
  explicit Momentum(at::Tensor parameter)
      : parameter_(std::move(parameter)), buffer_(at::zeros_like(parameter_)) {}
  void update(const at::Tensor& gradient, double lr, const SgdProbeOptions& options) {
    buffer_.mul_(options.momentum).add_(gradient).add_(parameter_, options.weight_decay);
    parameter_.sub_(buffer_, lr);
  }

 private:
  at::Tensor parameter_, buffer_;
};

// What these rows contribute to the gradient of the mean cross-entropy of a batch.
LinearClassifier gradient_of(const LinearClassifier& classifier, const RowBatch& rows,
                             std::int64_t batch_size) {
  at::Tensor error_BK = classifier.scores(rows.features_BD).softmax(1);
  const at::Tensor label_B1 = rows.label_B.unsqueeze(1);
  error_BK.scatter_add_(1, label_B1, at::full({}, -1.0, at::kFloat).expand_as(label_B1));
  error_BK.div_(static_cast<double>(batch_size));
  return {error_BK.t().matmul(rows.features_BD), error_BK.sum(0)};
}

double normal(RandomStream& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

}  // namespace

LinearClassifier initial_sgd_probe(std::int64_t num_classes, std::int64_t dim, std::uint64_t seed) {
  constexpr double kStd = 0.01;
  LinearClassifier start{at::empty({num_classes, dim}, at::kFloat), at::zeros({num_classes}, at::kFloat)};
  RandomStream random(RandomUse::initialization, {seed});
  auto* weights = start.weight_KD.data_ptr<float>();
  std::generate_n(weights, start.weight_KD.numel(),
                  [&] { return static_cast<float>(kStd * normal(random)); });
  return start;
}

LinearClassifier fit_sgd_probe(
    const std::vector<LabeledPart>& own, LinearClassifier start, const SgdProbeOptions& options,
    const Collectives& collectives,
    const std::function<void(std::int64_t epoch, const LinearClassifier& classifier)>& after_epoch) {
  const OwnRows rows(own, collectives);
  const std::int64_t count = rows.num_of_all(), dim = start.weight_KD.size(1);
  if (count == 0) throw_user_error("there are no images to train a classifier on");
  LinearClassifier classifier{start.weight_KD.clone(), start.bias_K.clone()};
  Momentum weight(classifier.weight_KD), bias(classifier.bias_K);
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const double progress = static_cast<double>(epoch) / static_cast<double>(options.epochs);
    const double lr = options.lr * (1 + std::cos(std::numbers::pi * progress)) / 2;
    const Permutation order(mix_bits({static_cast<std::uint64_t>(RandomUse::sample_order), options.seed,
                                      static_cast<std::uint64_t>(epoch)}),
                            count);
    for (std::int64_t first = 0; first < count; first += options.batch_size) {
      const std::int64_t end = std::min(first + options.batch_size, count);
      std::vector<std::int64_t> numbers;
      for (std::int64_t place = first; place < end; ++place) {
        const std::int64_t row = options.shuffles ? order(place) : place;
        if (rows.has(row)) numbers.push_back(row);
      }
      const LinearClassifier gradient = gradient_of(classifier, rows.rows(numbers, dim), end - first);
      collectives.sum_in_place(std::array{gradient.weight_KD, gradient.bias_K});
      weight.update(gradient.weight_KD, lr, options);
      bias.update(gradient.bias_K, lr, options);
    }
    if (after_epoch) after_epoch(epoch, classifier);
  }
  return classifier;
}

}  // namespace cloob

// Shapes: B rows of a part, D features, K classes, E = D + 1, P parts.
#include "eval/probe/logistic_regression.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "cloob/base/error.h"
#include "eval/exact_sum.h"
#include "eval/probe/lbfgs.h"

namespace cloob {
namespace {

at::Tensor labels_of(const LabeledPart& part) {
  return at::tensor(at::ArrayRef(part.labels.data(), part.labels.size()), at::kLong);
}

double norm_of(const at::Tensor& tensor) { return tensor.norm().item<double>(); }

}  // namespace

LogisticRegression::LogisticRegression(const std::vector<LabeledPart>& own, std::int64_t num_classes,
                                       const Collectives& collectives)
    : own_(own), num_classes_(num_classes), collectives_(collectives) {
  std::int64_t num_rows = 0;
  for (const LabeledPart& part : own_) num_rows += part.features_BD.size(0);
  const at::Tensor sizes_W2 =
      collectives.gather_rows(at::tensor({std::ssize(own_), num_rows}, at::kLong).unsqueeze(0))
          .rows_ND.contiguous();
  const auto* size = sizes_W2.const_data_ptr<std::int64_t>();
  for (std::int64_t rank = 0; rank < sizes_W2.size(0); ++rank, size += 2) {
    if (rank < collectives.rank()) first_part_ += size[0];
    num_parts_ += size[0];
    num_rows_ += static_cast<double>(size[1]);
  }
  if (num_rows_ == 0) throw_user_error("there are no images to train a classifier on");
  center(dim_of_all(own_, collectives));
  find_axes();
}

void LogisticRegression::center(std::int64_t dim) {
  double largest = 0;
  for (const LabeledPart& part : own_)
    largest = std::max(largest, part.features_BD.abs().max().item<double>());
  largest = collectives_.max(largest);
  ExactSum sum({dim}, num_rows_ * largest);
  for (const LabeledPart& part : own_) sum.add(part.features_BD.to(at::kDouble).sum(0));
  mean_ = sum.total(collectives_) / num_rows_;
  largest_ = 2 * largest;
}

void LogisticRegression::find_axes() {
  const std::int64_t dim = mean_.size(0);
  ExactSum moments({dim, dim}, num_rows_ * largest_ * largest_);
  for (const LabeledPart& part : own_) {
    const at::Tensor x_BD = centered(part);
    moments.add(x_BD.t().matmul(x_BD));
  }
  std::tie(variance_, axes_) = at::linalg_eigh(moments.total(collectives_) / num_rows_);
  variance_ = variance_.clamp_min(0);
}

at::Tensor LogisticRegression::centered(const LabeledPart& part) const {
  return part.features_BD.to(at::kDouble) - mean_;
}

at::Tensor LogisticRegression::zeros() const {
  return at::zeros({num_classes_, mean_.size(0) + 1}, at::kDouble);
}

LogisticRegression::Losses LogisticRegression::losses(const at::Tensor& weight_KE) const {
  const std::int64_t dim = mean_.size(0);
  const at::Tensor weight_DK = weight_KE.narrow(1, 0, dim).t(), bias_K = weight_KE.select(1, dim);
  const at::Tensor losses_P = at::zeros({num_parts_}, at::kDouble);
  ExactSum gradient_KE(weight_KE.sizes(), num_rows_ * std::max(1.0, largest_));
  for (std::size_t i = 0; i < own_.size(); ++i) {
    const at::Tensor x_BD = centered(own_[i]), label_B1 = labels_of(own_[i]).unsqueeze(1);
    const at::Tensor scores_BK = at::addmm(bias_K, x_BD, weight_DK);
    const at::Tensor log_sum_B1 = at::logsumexp(scores_BK, 1, /*keepdim=*/true);
    losses_P[first_part_ + static_cast<std::int64_t>(i)] = (log_sum_B1 - scores_BK.gather(1, label_B1)).sum();
    at::Tensor error_BK = (scores_BK - log_sum_B1).exp_();
    error_BK.scatter_add_(1, label_B1, at::full({}, -1.0, at::kDouble).expand_as(label_B1));
    gradient_KE.add(at::cat({error_BK.t().matmul(x_BD), error_BK.sum(0).unsqueeze(1)}, 1));
  }
  collectives_.sum_in_place(std::array{losses_P});
  // In the order of the parts, whatever rank has them.
  const auto* loss = losses_P.const_data_ptr<double>();
  return {std::accumulate(loss, loss + num_parts_, 0.0), gradient_KE.total(collectives_)};
}

// The inverse of the Hessian where all weights are zero, for classes of equal size, but for what is common to all classes.
at::Tensor LogisticRegression::precondition(const at::Tensor& gradient_KE, double c) const {
  const std::int64_t dim = mean_.size(0);
  const double rows = c * num_rows_ / static_cast<double>(num_classes_);
  const at::Tensor along_axes_KD = gradient_KE.narrow(1, 0, dim).matmul(axes_) / (variance_ * rows + 1);
  return at::cat({along_axes_KD.matmul(axes_.t()), gradient_KE.narrow(1, dim, 1) / rows}, 1);
}

LogisticFit LogisticRegression::fit(double c, const at::Tensor& start_KE,
                                    const LogisticFitOptions& options) const {
  const std::int64_t dim = mean_.size(0);
  // What rank 0 tells the others: which weights to evaluate, or that it has finished, and with what.
  const at::Tensor is_running = at::zeros({}, at::kLong), result_3 = at::zeros({3}, at::kDouble);
  const at::Tensor told_KE = start_KE.clone();
  const auto tell = [&] {
    collectives_.broadcast({{"is_running", is_running}, {"result", result_3}, {"weight", told_KE}});
  };
  const auto is_flat = [&](const Objective::Point& point) {
    const double intercepts = point.gradient.select(1, dim).abs().max().item<double>();
    return norm_of(point.gradient.narrow(1, 0, dim)) <=
               options.tolerance * norm_of(point.x.narrow(1, 0, dim)) &&
           intercepts <= options.tolerance * c * num_rows_ / static_cast<double>(num_classes_);
  };
  const auto evaluate = [&](const at::Tensor& weight_KE) {
    is_running.fill_(1);
    told_KE.copy_(weight_KE);
    tell();
    const Losses found = losses(weight_KE);
    at::Tensor gradient_KE = found.gradient_KE * c;
    const at::Tensor penalized_KD = weight_KE.narrow(1, 0, dim);
    gradient_KE.narrow(1, 0, dim).add_(penalized_KD);
    return Objective::Point{weight_KE, penalized_KD.square().sum().item<double>() / 2 + c * found.sum,
                            gradient_KE};
  };
  // Of a loss near zero, which is the difference of scores of about 30: in fp64, 1e-15 and more.
  constexpr double kRoundingOfLoss = 1e-15;
  if (collectives_.rank() == 0) {
    const Minimum minimum =
        minimize({evaluate, [&](const at::Tensor& gradient_KE) { return precondition(gradient_KE, c); },
                  is_flat, kRoundingOfLoss * c * num_rows_},
                 start_KE, options.max_iterations);
    is_running.fill_(0);
    told_KE.copy_(minimum.point.x);
    result_3.copy_(at::tensor(
        {minimum.point.value, static_cast<double>(minimum.iterations), minimum.converged ? 1.0 : 0.0},
        at::kDouble));
    tell();
  } else {
    for (tell(); is_running.item<std::int64_t>() != 0; tell()) losses(told_KE.clone());
  }
  return {told_KE, result_3[0].item<double>(), static_cast<std::int64_t>(result_3[1].item<double>()),
          result_3[2].item<double>() > 0};
}

LinearClassifier LogisticRegression::classifier(const LogisticFit& fit) const {
  const std::int64_t dim = mean_.size(0);
  const at::Tensor weight_KD = fit.weight_KE.narrow(1, 0, dim).contiguous();
  return {weight_KD, fit.weight_KE.select(1, dim) - weight_KD.matmul(mean_)};
}

}  // namespace cloob

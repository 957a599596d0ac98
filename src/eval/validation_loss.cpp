// Shapes: N pairs of a rank, B pairs of a batch, W ranks, D features.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "cloob/base/error.h"
#include "cloob/eval/evaluate.h"

namespace cloob {
namespace {

/// The pairs of this rank among those of all.
class OwnPairs {
 public:
  OwnPairs(std::span<const PairFeatures> parts, const Collectives& collectives) : parts_(parts) {
    std::int64_t count = 0, dim = 0;
    for (const PairFeatures& part : parts) {
      first_text_.push_back(first_texts(part));
      count += part.image_ND.size(0);
      dim = part.image_ND.size(1);
    }
    const at::Tensor counts_W = collectives.gather_rows(at::full({1}, count, at::kLong)).rows_ND.contiguous();
    const auto* counts = counts_W.const_data_ptr<std::int64_t>();
    ends_.assign(counts, counts + counts_W.numel());
    std::partial_sum(ends_.begin(), ends_.end(), ends_.begin());
    begin_ = ends_[static_cast<std::size_t>(collectives.rank())] - count;
    dim_ = static_cast<std::int64_t>(collectives.max(static_cast<double>(dim)));
  }

  /// Of all ranks.
  std::int64_t size() const { return ends_.back(); }
  std::int64_t feature_dim() const { return dim_; }
  /// The rank that has a pair.
  std::int64_t rank_of(std::int64_t pair) const {
    return std::ranges::upper_bound(ends_, pair) - ends_.begin();
  }
  bool are_of_one_rank(std::int64_t first, std::int64_t count) const {
    return rank_of(first) == rank_of(first + count - 1);
  }

  /// (B, 2 D), the image features beside the text features; zero for pairs of other ranks.
  at::Tensor rows(std::int64_t first, std::int64_t count) const {
    const at::Tensor rows = at::zeros({count, 2 * dim_}, at::kFloat);
    std::int64_t part_begin = begin_;
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      const at::Tensor& image_ND = parts_[part].image_ND;
      const std::int64_t part_end = part_begin + image_ND.size(0);
      const std::int64_t begin = std::max(first, part_begin), end = std::min(first + count, part_end);
      if (begin < end) {
        const auto cut = [&](const at::Tensor& of_part) {
          return of_part.narrow(0, begin - part_begin, end - begin);
        };
        const at::Tensor text_BD = parts_[part].text_MD.index_select(0, cut(first_text_[part]));
        rows.narrow(0, begin - first, end - begin).copy_(at::cat({cut(image_ND), text_BD}, 1));
      }
      part_begin = part_end;
    }
    return rows;
  }

 private:
  std::span<const PairFeatures> parts_;
  std::vector<at::Tensor> first_text_;  // of each part
  std::vector<std::int64_t> ends_;      // of each rank's pairs
  std::int64_t begin_ = 0;
  std::int64_t dim_ = 0;
};

/// What is measured of a batch, in a row of a table: the loss, and after it whether each of the others is known, and its
/// value. Ranks without a batch do not know what the model measures.
constexpr std::int64_t kNumOthers = 3, kNumColumns = 1 + 2 * kNumOthers;

void measure(const at::Tensor& rows_B2D, FeatureModel& model, double* row) {
  const std::vector<at::Tensor> halves = rows_B2D.to(model.device()).chunk(2, 1);
  const PairMeasures measures = model.measure_pairs(halves[0].contiguous(), halves[1].contiguous());
  row[0] = measures.loss.item<double>();
  const std::array others = {measures.positive_mass, measures.gradient_weight, measures.retrieval_entropy};
  for (std::size_t i = 0; i < others.size(); ++i) {
    if (!others[i].defined()) continue;
    row[1 + 2 * i] = 1;
    row[2 + 2 * i] = others[i].item<double>();
  }
}

/// The mean of a column, in the order of the batches, so that it is the same for any number of ranks.
double mean_of_column(const at::Tensor& table_BC, std::int64_t column) {
  double sum = 0;
  for (std::int64_t batch = 0; batch < table_BC.size(0); ++batch)
    sum += table_BC.const_data_ptr<double>()[batch * kNumColumns + column];
  return sum / static_cast<double>(table_BC.size(0));
}

}  // namespace

LossResult evaluate_loss(std::span<const PairFeatures> own, FeatureModel& model, std::int64_t loss_batch_size,
                         const Collectives& collectives) {
  const OwnPairs pairs(own, collectives);
  LossResult result{.batch_size = std::min(loss_batch_size, pairs.size())};
  if (result.batch_size < model.min_pairs()) {
    throw_user_error("a batch has {} usable pairs, but the loss needs at least {}", result.batch_size,
                     model.min_pairs());
  }
  result.num_batches = pairs.size() / result.batch_size;
  result.num_pairs = result.num_batches * result.batch_size;
  // First the few batches that reach into the pairs of other ranks, which all hand to the rank in which they begin.
  std::map<std::int64_t, at::Tensor> received;
  std::vector<std::int64_t> computed;
  for (std::int64_t batch = 0; batch < result.num_batches; ++batch) {
    const std::int64_t first = batch * result.batch_size;
    const bool is_computed_here = pairs.rank_of(first) == collectives.rank();
    if (is_computed_here) computed.push_back(batch);
    if (pairs.are_of_one_rank(first, result.batch_size)) continue;
    const at::Tensor rows_B2D = pairs.rows(first, result.batch_size);
    collectives.sum_in_place(std::array{rows_B2D});
    if (is_computed_here) received.emplace(batch, rows_B2D);
  }
  const at::Tensor table_BC = at::zeros({result.num_batches, kNumColumns}, at::kDouble);
  for (const std::int64_t batch : computed) {
    const auto found = received.find(batch);
    measure(
        found != received.end() ? found->second : pairs.rows(batch * result.batch_size, result.batch_size),
        model, table_BC.mutable_data_ptr<double>() + batch * kNumColumns);
  }
  collectives.sum_in_place(std::array{table_BC});
  result.loss = mean_of_column(table_BC, 0);
  const std::array others = {&result.positive_mass, &result.gradient_weight, &result.retrieval_entropy};
  for (std::int64_t i = 0; i < kNumOthers; ++i) {
    if (mean_of_column(table_BC, 1 + 2 * i) == 1)
      *others[static_cast<std::size_t>(i)] = mean_of_column(table_BC, 2 + 2 * i);
  }
  result.chance_loss = model.chance_loss(result.batch_size);
  return result;
}

NamedNumbers named_numbers(const LossResult& result) {
  NamedNumbers numbers = {{"loss", result.loss}};
  if (result.chance_loss) numbers.emplace_back("chance_loss", *result.chance_loss);
  if (result.positive_mass) numbers.emplace_back("positive_mass", *result.positive_mass);
  if (result.gradient_weight) numbers.emplace_back("gradient_weight", *result.gradient_weight);
  if (result.retrieval_entropy) numbers.emplace_back("retrieval_entropy", *result.retrieval_entropy);
  numbers.insert(numbers.end(), {{"loss_batch_size", static_cast<double>(result.batch_size)},
                                 {"num_batches", static_cast<double>(result.num_batches)},
                                 {"num_pairs", static_cast<double>(result.num_pairs)}});
  return numbers;
}

}  // namespace cloob

// Shapes: B test rows of a part, C training rows of a part, G of a group of them, D features, K classes.
#include "cloob/eval/probe/nearest_neighbors.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

/// The best candidates so far of each row of a part, best first.
class Neighbors {
 public:
  explicit Neighbors(std::int64_t k) : k_(static_cast<std::size_t>(k)) {}

  /// Candidates come in order: an equal one does not displace an earlier one.
  void add(const at::Tensor& cosines_BC, const std::int64_t* labels) {
    const at::Tensor contiguous = cosines_BC.contiguous();
    const auto* cosine = contiguous.const_data_ptr<float>();
    best_.resize(static_cast<std::size_t>(contiguous.size(0)));
    for (std::vector<Candidate>& best : best_) {
      for (std::int64_t column = 0; column < contiguous.size(1); ++column, ++cosine) {
        if (best.size() == k_ && !(*cosine > best.back().cosine)) continue;
        if (best.size() == k_) best.pop_back();
        const auto place = std::ranges::upper_bound(best, *cosine, std::greater<>(), &Candidate::cosine);
        best.insert(place, {*cosine, labels[column]});
      }
    }
  }

  NeighborVotes votes(std::int64_t num_classes, double temperature) const {
    const auto rows = std::ssize(best_);
    NeighborVotes votes{at::zeros({rows, num_classes}, at::kFloat),
                        at::zeros({rows, num_classes}, at::kFloat)};
    auto* weighted = votes.weighted_BK.data_ptr<float>();
    auto* plain = votes.plain_BK.data_ptr<float>();
    for (const std::vector<Candidate>& best : best_) {
      // The exponent of the best is 0: a low temperature would overflow.
      std::vector<double> sums(static_cast<std::size_t>(num_classes));
      double total = 0;
      for (const Candidate& candidate : best) {
        const double distance = double{candidate.cosine} - double{best.front().cosine};
        const double weight = std::exp(distance / temperature);
        sums[static_cast<std::size_t>(candidate.label)] += weight;
        total += weight;
        plain[candidate.label] += 1 / static_cast<float>(best.size());
      }
      for (std::size_t label = 0; label < sums.size(); ++label)
        weighted[label] = static_cast<float>(sums[label] / total);
      weighted += num_classes;
      plain += num_classes;
    }
    return votes;
  }

 private:
  struct Candidate {
    float cosine;
    std::int64_t label;
  };
  std::size_t k_;
  std::vector<std::vector<Candidate>> best_;
};

/// Consecutive parts of one rank that are handed around together.
struct Group {
  std::int64_t rank = 0;
  std::int64_t first_part = 0;  ///< of that rank
  std::vector<std::int64_t> rows;
};

std::vector<Group> groups_of(const std::vector<LabeledPart>& train, const Collectives& collectives) {
  constexpr std::int64_t kRows = 2048;
  std::vector<std::int64_t> own;
  for (const LabeledPart& part : train) own.insert(own.end(), {collectives.rank(), part.features_BD.size(0)});
  const at::Tensor all_P2 =
      collectives.gather_rows(at::tensor(own, at::kLong).view({std::ssize(train), 2})).rows_ND.contiguous();
  std::vector<Group> groups;
  std::int64_t part = 0, num_rows = 0;
  const auto* size = all_P2.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < all_P2.size(0); ++i, size += 2, ++part) {
    const bool is_new_rank = groups.empty() || groups.back().rank != size[0];
    if (is_new_rank) part = 0;
    if (is_new_rank || num_rows + size[1] > kRows) {
      groups.push_back({.rank = size[0], .first_part = part, .rows = {}});
      num_rows = 0;
    }
    groups.back().rows.push_back(size[1]);
    num_rows += size[1];
  }
  return groups;
}

struct VisitingRows {
  at::Tensor unit_GD;
  at::Tensor label_G;
};

// From the rank that has them to all.
VisitingRows hand_around(const Group& group, const std::vector<LabeledPart>& train, std::int64_t dim,
                         const Collectives& collectives) {
  std::int64_t count = 0;
  for (const std::int64_t rows : group.rows) count += rows;
  VisitingRows visiting{at::zeros({count, dim}, at::kFloat), at::zeros({count}, at::kLong)};
  if (group.rank == collectives.rank()) {
    std::int64_t first = 0;
    for (std::size_t i = 0; i < group.rows.size(); ++i) {
      const LabeledPart& part = train[static_cast<std::size_t>(group.first_part) + i];
      visiting.unit_GD.narrow(0, first, group.rows[i]).copy_(unit_rows(part.features_BD));
      visiting.label_G.narrow(0, first, group.rows[i]).copy_(at::tensor(part.labels, at::kLong));
      first += group.rows[i];
    }
  }
  collectives.sum_in_place(std::array{visiting.unit_GD, visiting.label_G});
  return visiting;
}

}  // namespace

void vote_of_neighbors(const std::vector<LabeledPart>& train, const std::vector<LabeledPart>& test,
                       std::int64_t num_classes, const NeighborOptions& options,
                       const Collectives& collectives, const TakeVotes& take) {
  const OutsideAutocast full_precision;
  const std::int64_t num_train = num_rows_of_all(train, collectives);
  if (num_train < options.k) {
    throw_user_error("there are {} to learn from, fewer than the {} neighbors that are to vote",
                     counted(num_train, "usable image"), options.k);
  }
  const std::int64_t dim = dim_of_all(train, collectives);
  std::vector<at::Tensor> unit_rows_of_test;
  for (const LabeledPart& part : test) unit_rows_of_test.push_back(unit_rows(part.features_BD));
  std::vector<Neighbors> neighbors(test.size(), Neighbors(options.k));
  for (const Group& group : groups_of(train, collectives)) {
    const VisitingRows visiting = hand_around(group, train, dim, collectives);
    const auto* labels = visiting.label_G.const_data_ptr<std::int64_t>();
    // Of one part with another at a time, so that products have the same bits for any number of ranks.
    std::int64_t first = 0;
    for (const std::int64_t rows : group.rows) {
      const at::Tensor unit_DC = visiting.unit_GD.narrow(0, first, rows).t();
      for (std::size_t part = 0; part < test.size(); ++part)
        neighbors[part].add(unit_rows_of_test[part].matmul(unit_DC), labels + first);
      first += rows;
    }
  }
  for (std::size_t part = 0; part < test.size(); ++part)
    take(test[part], neighbors[part].votes(num_classes, options.temperature));
}

NeighborMeters measure_neighbors(const std::vector<LabeledPart>& train, const std::vector<LabeledPart>& test,
                                 std::int64_t num_classes, const NeighborOptions& options,
                                 const Collectives& collectives) {
  NeighborMeters meters{ZeroShotMeter(num_classes), ZeroShotMeter(num_classes)};
  vote_of_neighbors(train, test, num_classes, options, collectives,
                    [&](const LabeledPart& part, const NeighborVotes& votes) {
                      meters.weighted.add(votes.weighted_BK, part.labels);
                      meters.plain.add(votes.plain_BK, part.labels);
                    });
  return meters;
}

}  // namespace cloob

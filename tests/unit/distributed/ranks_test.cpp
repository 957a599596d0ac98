#include "cloob/distributed/ranks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <numeric>

#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/rank_failure.h"
#include "cloob/distributed/launcher.h"
#include "support/connected_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::run_connected_ranks;
using namespace std::chrono_literals;

const Collectives& connect(Ranks& ranks, const std::string& agreement = "") {
  return ranks.connect(at::kCPU, {.start = 20s, .step = 20s}, agreement);
}

// Row r of all is r, with `counts[rank]` of them on each rank.
at::Tensor rows_of(std::int64_t rank, const std::vector<std::int64_t>& counts,
                   std::int64_t* first = nullptr) {
  std::int64_t begin = 0;
  for (std::int64_t other = 0; other < rank; ++other) begin += counts[static_cast<std::size_t>(other)];
  if (first != nullptr) *first = begin;
  const auto count = counts[static_cast<std::size_t>(rank)];
  return at::arange(begin, begin + count, at::kDouble).unsqueeze(1).repeat({1, 2});
}

TEST(Ranks, GatherRowsOfUnequalNumberWithGradients) {
  for (const std::vector<std::int64_t>& counts : {std::vector<std::int64_t>{2, 2}, {3, 0, 1}, {0, 0, 2}}) {
    const auto total = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
    run_connected_ranks(std::ssize(counts), [&](Ranks& ranks) {
      const Collectives& collectives = connect(ranks);
      std::int64_t first = 0;
      const at::Tensor own = rows_of(ranks.rank(), counts, &first).requires_grad_();
      const GatheredRows all = collectives.gather_rows(own);
      EXPECT_EQ(all.first_row, first);
      EXPECT_TRUE(at::equal(all.rows_ND, at::arange(total, at::kDouble).unsqueeze(1).repeat({1, 2})));
      // Rank r weights row i with (r + 1) i, so the sum over ranks is i W (W + 1) / 2.
      const at::Tensor weights = at::arange(total, at::kDouble) * static_cast<double>(ranks.rank() + 1);
      (all.rows_ND * weights.unsqueeze(1)).sum().backward();
      const double factor = static_cast<double>(ranks.world_size() * (ranks.world_size() + 1)) / 2;
      EXPECT_TRUE(at::equal(own.grad(), own.detach() * factor));
    });
  }
}

TEST(Ranks, SumInPlaceWhateverTheTypesAndShapes) {
  run_connected_ranks(3, [](Ranks& ranks) {
    const Collectives& collectives = connect(ranks);
    const auto rank = static_cast<double>(ranks.rank());
    const std::vector<at::Tensor> tensors = {
        at::full({2, 3}, rank + 1, at::kFloat).t(), at::full({}, rank, at::kDouble),
        at::full({9'000'000}, 1.0, at::kFloat), at::full({5}, rank, at::kLong), at::zeros({0, 4})};
    collectives.sum_in_place(tensors);
    EXPECT_TRUE(at::equal(tensors[0], at::full({3, 2}, 6.0, at::kFloat)));
    EXPECT_EQ(tensors[1].item<double>(), 3);
    EXPECT_TRUE((tensors[2] == 3).all().item<bool>());
    EXPECT_TRUE(at::equal(tensors[3], at::full({5}, 3, at::kLong)));
  });
}

// Parameter i of rank r has the gradient (r + 1) (i + 1) from each pass that reaches it.
at::Tensor loss_of(std::int64_t rank, const std::vector<at::Tensor>& parameters) {
  at::Tensor loss = at::zeros({}, at::kFloat);
  for (std::size_t i = 0; i < parameters.size(); ++i)
    loss = loss + parameters[i].sum() * static_cast<double>(rank + 1) * static_cast<double>(i + 1);
  return loss;
}

TEST(Ranks, SumGradientsDuringTheBackwardPass) {
  run_connected_ranks(3, [](Ranks& ranks) {
    const Collectives& collectives = connect(ranks);
    // Several buckets, a scalar, and a layout that is not contiguous.
    const std::vector<at::Tensor> parameters = {at::zeros({}, at::kFloat).requires_grad_(),
                                                at::zeros({600, 700}, at::kFloat).requires_grad_(),
                                                at::zeros({3, 5}, at::kFloat).t().requires_grad_(),
                                                at::zeros({300'000}, at::kFloat).requires_grad_()};
    const auto sums = collectives.gradient_sums(parameters, {.bucket_bytes = 1 << 20});
    for (int step = 0; step < 3; ++step) {
      for (const at::Tensor& parameter : parameters) parameter.mutable_grad().reset();
      // The last rank has no rows in the second step; the first one has an earlier pass, over the scalar alone, in the third.
      const bool has_rows = step != 1 || ranks.rank() != 2, has_earlier_pass = step == 2 && ranks.rank() == 0;
      if (has_earlier_pass) loss_of(0, {parameters[0]}).backward();
      sums->run([&] {
        if (has_rows) loss_of(ranks.rank(), parameters).backward();
      });
      const double all = step == 1 ? 3 : 6;
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const double expected = all * static_cast<double>(i + 1) + (step == 2 && i == 0 ? 1 : 0);
        EXPECT_TRUE((parameters[i].grad() == expected).all().item<bool>()) << "step " << step << ", " << i;
      }
    }
    EXPECT_GE(collectives.communication().bytes, 3 * 4 * (600 * 700 + 300'000));
    EXPECT_GT(collectives.communication().seconds, 0);
  });
}

TEST(Ranks, SumGradientsRoundedToBf16) {
  run_connected_ranks(2, [](Ranks& ranks) {
    const Collectives& collectives = connect(ranks);
    const at::Tensor parameter = at::zeros({1000}, at::kFloat).requires_grad_();
    const auto sums = collectives.gradient_sums({parameter}, {.in_bf16 = true});
    sums->run([&] { (parameter * 1.001).sum().backward(); });
    EXPECT_TRUE((parameter.grad() == 2).all().item<bool>());
    EXPECT_LT(collectives.communication().bytes, 4 * 1000);
  });
}

TEST(Ranks, EndTheSumOfGradientsIfARankFails) {
  run_connected_ranks(2, [](Ranks& ranks) {
    const Collectives& collectives = connect(ranks);
    const at::Tensor parameter = at::zeros({1000}, at::kFloat).requires_grad_();
    const auto sums = collectives.gradient_sums({parameter}, {});
    const auto step = [&] { sums->run([&] { parameter.sum().backward(); }); };
    step();
    if (ranks.rank() == 1) return ranks.report_failure("the disk is full");
    try {
      step();
      ADD_FAILURE() << "rank 0 did not notice";
    } catch (const RankFailure& failure) {
      EXPECT_THAT(failure.what(), ::testing::ContainsRegex("rank 1 of 2 on .* failed: the disk is full"));
    }
  });
}

TEST(Ranks, ShareMaximaAndTheTensorsOfRank0) {
  run_connected_ranks(3, [](Ranks& ranks) {
    const Collectives& collectives = connect(ranks);
    EXPECT_EQ(collectives.max(-static_cast<double>(ranks.rank())), 0);
    const auto own = static_cast<double>(ranks.rank() + 5);
    const NamedTensors tensors = {
        {"a", at::full({2, 3}, own).t()}, {"b", at::full({}, own)}, {"c", at::zeros({0})}};
    collectives.broadcast(tensors);
    EXPECT_TRUE(at::equal(tensors.at("a"), at::full({3, 2}, 5.0)));
    EXPECT_EQ(tensors.at("b").item<double>(), 5);
  });
}

TEST(Ranks, TellEachOtherTexts) {
  run_connected_ranks(3, [](Ranks& ranks) {
    const std::string own(static_cast<std::size_t>(2 * ranks.rank()), static_cast<char>('a' + ranks.rank()));
    EXPECT_THAT(gather_texts(connect(ranks), own), ::testing::ElementsAre("", "bb", "cccc"));
  });
}

TEST(Ranks, ThatDisagreeAreRefusedWithTheDifference) {
  run_connected_ranks(3, [](Ranks& ranks) {
    const std::string settings = ranks.rank() == 2 ? "lr: 1\n  batch: 9\n" : "lr: 1\n  batch: 8\n";
    try {
      connect(ranks, settings);
      ADD_FAILURE() << "rank " << ranks.rank() << " started";
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(),
                  ::testing::HasSubstr("do not agree: 'batch: 8' on rank 0 and 'batch: 9' on rank 2"));
    }
  });
}

TEST(Ranks, ThatDoNotArriveAreNamed) {
  const std::uint16_t port = free_port();
  Ranks alone(testing::environment_of(0, 3, port));
  expect_user_error([&] { alone.connect(at::kCPU, {.start = 1s, .step = 20s}, ""); },
                    {"rank 1, 2 of 3 did not arrive within 1 seconds"});
  Ranks without_store(testing::environment_of(1, 2, free_port()));
  expect_user_error([&] { without_store.connect(at::kCPU, {.start = 1s, .step = 20s}, ""); },
                    {"rank 0 was not reached at 127.0.0.1:", "MASTER_ADDR"});
}

TEST(Ranks, TellTheOthersWhyTheyFail) {
  run_connected_ranks(3, [](Ranks& ranks) {
    const Collectives& collectives = connect(ranks);
    if (ranks.rank() == 1) return ranks.report_failure("the disk is full");
    try {
      for (;;) collectives.max(0);
    } catch (const RankFailure& failure) {
      EXPECT_THAT(failure.what(), ::testing::ContainsRegex("rank 1 of 3 on .* failed: the disk is full"));
    }
  });
}

TEST(Ranks, OfOneProcessNeedNoConnection) {
  Ranks ranks{RankEnvironment()};
  EXPECT_EQ(connect(ranks).world_size(), 1);
  EXPECT_EQ(ranks.single("encode").world_size(), 1);
  Ranks several(testing::environment_of(0, 2, 1));
  expect_user_error([&] { several.single("encode"); }, {"'cloob encode' runs in one process"});
}

}  // namespace
}  // namespace cloob

// Evaluations over several ranks give the numbers of one process, to the bit.
#include <ATen/Parallel.h>

#include <map>
#include <mutex>

#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/eval/suite.h"
#include "support/connected_ranks.h"
#include "support/simulated_ranks.h"
#include "support/support.h"
#include "unit/eval/sample_pairs.h"
#include "unit/eval/scaled_model.h"
#include "unit/model/tiny_models.h"

namespace cloob {
namespace {

using testing::ColorSource;
using ::testing::ElementsAre;
using testing::expect_user_error;
using testing::run_ranks;

constexpr std::int64_t kImages = 37, kBatch = 4;  // ten batches, the last of one image

// 8 to 11 are a whole batch; of the last image there is nothing either.
std::shared_ptr<ColorSource> pairs_with_gaps() {
  return std::make_shared<ColorSource>(kImages, std::set<std::int64_t>{1, 8, 9, 10, 11, 36},
                                       [](std::int64_t index) { return 1 + index % 3; });
}

ZeroShotPrompts prompts_of_letters() {
  return {.class_names = {"aa", "bb", "c", "ddd", "e"},
          .templates = {"{c}", "x{c}", "{c}y"},
          .class_folders = {},
          .names_from = "names.txt",
          .templates_from = "templates.txt"};
}

// Each rank has its own model, as each process has.
struct Rank {
  Rank() {
    at::set_num_threads(1);
    options.data.max_bad_share = 0.5;
    options.data.threads = 1;
  }

  testing::ScaledModel model{testing::random_model(testing::tiny_vit(), 3)};
  FeatureEncoder encoder{model, ImageConfig{}, std::make_shared<testing::LetterTokenizer>()};
  EncodeOptions options{.precision = Precision::fp32, .batch_size = kBatch, .data = {}};
};

NamedNumbers numbers_of(const Evaluation& evaluation, const Collectives& collectives,
                        std::optional<std::int64_t> max_samples = std::nullopt) {
  Rank rank;
  rank.options.max_samples = max_samples;
  return evaluation.run(rank.encoder, rank.options, collectives);
}

void expect_same_over_ranks(const Evaluation& evaluation) {
  for (const std::optional<std::int64_t> max_samples :
       {std::optional<std::int64_t>(), std::optional<std::int64_t>(18)}) {
    const NamedNumbers expected = numbers_of(evaluation, SingleProcess(), max_samples);
    for (const std::int64_t world_size : {2, 3, 12}) {  // of twelve, two have no batch
      run_ranks(world_size, [&](const Collectives& collectives) {
        EXPECT_EQ(numbers_of(evaluation, collectives, max_samples), expected)
            << "rank " << collectives.rank() << " of " << world_size;
      });
    }
  }
}

TEST(OverRanks, AMistakeOfTheFirstRankIsThatOfAll) {
  run_ranks(3, [](const Collectives& collectives) {
    int done = 0;
    do_on_first_rank(collectives, [&] { ++done; });
    EXPECT_EQ(done, collectives.rank() == 0 ? 1 : 0);
    expect_user_error([&] { do_on_first_rank(collectives, [] { throw_user_error("the disk is full"); }); },
                      {"the disk is full"});
  });
}

TEST(OverRanks, RetrievalLossAndFeaturesOfUnevenPartsAreThoseOfOneProcess) {
  for (const std::int64_t loss_batch_size :
       {2, 5, 16, 100}) {  // within a part, across parts and ranks, all pairs
    expect_same_over_ranks(*make_pair_evaluation(pairs_with_gaps(), {.loss_batch_size = loss_batch_size}));
  }
  expect_same_over_ranks(*make_pair_evaluation(pairs_with_gaps(), {.measures_features = true}));
}

TEST(OverRanks, ZeroShotClassificationIsThatOfOneProcess) {
  expect_same_over_ranks(*make_zero_shot_evaluation(pairs_with_gaps(), prompts_of_letters()));
}

TEST(OverRanks, ConnectedRanksAgreeAsWell) {
  const auto evaluation = make_pair_evaluation(pairs_with_gaps(), {.loss_batch_size = 16});
  const NamedNumbers expected = numbers_of(*evaluation, SingleProcess());
  testing::run_connected_ranks(3, [&](Ranks& ranks) {
    EXPECT_EQ(numbers_of(*evaluation, ranks.connect(at::kCPU, {}, "")), expected);
  });
}

TEST(OverRanks, EveryImageIsReadOnceAndProgressIsThatOfAll) {
  const auto source = std::make_shared<ColorSource>(10);
  const auto evaluation = make_pair_evaluation(source, {});
  std::vector<std::string> seen;
  run_ranks(2, [&](const Collectives& collectives) {
    Rank rank;
    if (collectives.rank() == 0) {
      rank.options.report = [&](const Progress& progress) {
        seen.push_back(progress.unit + " " + std::to_string(progress.step) + "/" +
                       std::to_string(progress.num_steps));
      };
    }
    evaluation->run(rank.encoder, rank.options, collectives);
  });
  EXPECT_EQ(source->num_reads, 10);
  // Rank 0 has a batch of four, the other batches of four and two; there are two captions an image.
  EXPECT_THAT(seen, ElementsAre("image 8/10", "image 10/10", "text 8/20", "text 16/20", "text 20/20"));
}

TEST(OverRanks, UnusableImagesAreJudgedTogether) {
  const auto evaluation = make_pair_evaluation(pairs_with_gaps(), {});
  const auto run = [&](const Collectives& collectives, double max_bad_share) {
    Rank rank;
    rank.options.data.max_bad_share = max_bad_share;
    evaluation->run(rank.encoder, rank.options, collectives);
  };
  run_ranks(3, [&](const Collectives& collectives) {
    run(collectives, 6.0 / 37);  // although the first rank has 5 of 12
    expect_user_error(
        [&] { run(collectives, 5.0 / 37); },
        {"6 of 37 samples are unusable, more than data.max_bad_share",
         "6 not an image: image 1: it is broken; image 8: it is broken; image 9: it is broken"});
  });
}

TEST(OverRanks, AStopThatOneRankIsAskedForStopsAll) {
  const auto evaluation = make_pair_evaluation(pairs_with_gaps(), {});
  run_ranks(3, [&](const Collectives& collectives) {
    Rank rank;
    int polls = 0;
    rank.options.stop_requested = [&] { return ++polls == 2 && collectives.rank() == 1; };
    EXPECT_THROW(evaluation->run(rank.encoder, rank.options, collectives), EvaluationStopped);
    EXPECT_EQ(polls, 2);
  });
}

TEST(OverRanks, OtherDataOrPromptsAreRefused) {
  run_ranks(2, [&](const Collectives& collectives) {
    Rank rank;
    const auto pairs = make_pair_evaluation(std::make_shared<ColorSource>(10 + collectives.rank()), {});
    expect_user_error([&] { pairs->run(rank.encoder, rank.options, collectives); },
                      {"the ranks do not have the same data to evaluate", "images"});
  });
  run_ranks(2, [&](const Collectives& collectives) {
    Rank rank;
    ZeroShotPrompts prompts = prompts_of_letters();
    if (collectives.rank() == 1) prompts.class_names[2] = "z";
    const auto classes = make_zero_shot_evaluation(std::make_shared<ColorSource>(10), prompts);
    if (collectives.rank() == 0) {
      EXPECT_ANY_THROW(classes->run(rank.encoder, rank.options, collectives));
    } else {
      expect_user_error([&] { classes->run(rank.encoder, rank.options, collectives); },
                        {"class names", "names.txt"});
    }
  });
}

}  // namespace
}  // namespace cloob

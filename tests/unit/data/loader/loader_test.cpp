#include "cloob/data/loader/loader.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <tuple>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "support/number_source.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_same_batch;
using testing::NumberSource;
using testing::take_batches;
using testing::training_options;

// Silences warnings about the unusable samples of these tests.
const bool quiet = (set_log_level(LogLevel::error), true);

Loader make_loader(const std::shared_ptr<const Source>& source, const LoaderOptions& options) {
  return {source, testing::number_preprocess(), options};
}

LoaderOptions evaluation_options(std::int64_t batch_size) {
  LoaderOptions options = training_options(batch_size);
  options.purpose = Purpose::evaluation;
  options.caption_choice = CaptionChoice::first;
  return options;
}

TEST(Loader, GivesTheSameBatchesForAnyNumberOfThreads) {
  RandomStream random(RandomUse::synthetic_data, {1});
  for (int trial = 0; trial < 12; ++trial) {
    const auto size = static_cast<std::int64_t>(random.below(200) + 20);
    const auto source = std::make_shared<NumberSource>(size);
    for (std::uint64_t i = random.below(8); i > 0; --i) {
      source->bad[static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(size)))] =
          BadKind::unreadable;
    }
    LoaderOptions options = training_options(static_cast<std::int64_t>(random.below(20) + 1));
    options.threads = 1;
    Loader straight = make_loader(source, options);
    const auto expected = take_batches(straight, 30);
    for (options.threads = 2; options.threads <= 4; ++options.threads) {
      options.prefetch_batches = static_cast<std::int64_t>(random.below(4) + 1);
      Loader loader = make_loader(source, options);
      for (const Batch& batch : expected) expect_same_batch(loader.next(), batch);
    }
  }
}

TEST(Loader, ContinuesFromAnyPositionAsIfUninterrupted) {
  const auto source = std::make_shared<NumberSource>(50);
  source->bad[7] = BadKind::missing_file;
  const LoaderOptions options = training_options(8);
  Loader straight = make_loader(source, options);
  std::vector<std::int64_t> positions;
  std::vector<Batch> expected;
  for (int k = 0; k < 20; ++k) {  // more than three epochs of six batches
    positions.push_back(straight.position());
    expected.push_back(straight.next());
  }
  Loader moved = make_loader(source, options);
  for (const std::size_t from : {13u, 5u, 6u, 0u, 19u, 11u}) {
    moved.seek(positions[from]);
    for (std::size_t k = from; k < expected.size(); ++k) expect_same_batch(moved.next(), expected[k]);
  }
}

TEST(Loader, PeekDoesNotConsumeTheNextBatch) {
  const auto source = std::make_shared<NumberSource>(50);
  source->bad[7] = BadKind::missing_file;
  LoaderOptions options = training_options(8);
  options.prefetch_batches = 2;
  Loader straight = make_loader(source, options), peeked = make_loader(source, options);
  EXPECT_EQ(peeked.peek(), nullptr) << "no batch has been requested yet";
  for (int k = 0; k < 20; ++k) {
    const std::int64_t position = straight.position();
    const Batch expected = straight.next();
    if (k > 0) {
      while (peeked.ready_batches() == 0) std::this_thread::yield();
      const std::int64_t num_ready = peeked.ready_batches();
      const Batch* const next = peeked.peek();
      ASSERT_NE(next, nullptr);
      EXPECT_EQ(peeked.peek(), next);
      EXPECT_GE(peeked.ready_batches(), num_ready);
      expect_same_batch(*next, expected);
      EXPECT_EQ(peeked.position(), position);
      if (k == 9) peeked.seek(position);  // discards it
    }
    expect_same_batch(peeked.next(), expected);
    EXPECT_EQ(peeked.position(), straight.position());
  }
}

TEST(Loader, ThrowsFromNextAndNotFromPeek) {
  const auto source = std::make_shared<NumberSource>(40);
  source->on_read = [](std::int64_t index) {
    if (index == 13) throw std::runtime_error("the disk is gone");
  };
  Loader loader = make_loader(source, training_options(8));
  const auto iterate = [&] {
    for (int k = 0; k < 10; ++k) {
      loader.next();
      while (loader.ready_batches() == 0) std::this_thread::yield();
      EXPECT_NO_THROW(loader.peek());
    }
  };
  EXPECT_THROW(iterate(), std::runtime_error);
}

TEST(Loader, ContinuesTheSameOrderWithAnotherBatchSize) {
  const auto source = std::make_shared<NumberSource>(60);
  Loader straight = make_loader(source, training_options(4));
  std::vector<std::int64_t> expected;
  for (const Batch& batch : take_batches(straight, 12)) {
    expected.insert(expected.end(), batch.indices.begin(), batch.indices.end());
  }
  Loader first = make_loader(source, training_options(4));
  std::vector<std::int64_t> actual;
  for (const Batch& batch : take_batches(first, 3)) {
    actual.insert(actual.end(), batch.indices.begin(), batch.indices.end());
  }
  Loader second = make_loader(source, training_options(6));
  second.seek(first.position());
  for (const Batch& batch : take_batches(second, 6)) {
    actual.insert(actual.end(), batch.indices.begin(), batch.indices.end());
  }
  EXPECT_EQ(actual, expected);
}

TEST(Loader, TrainsOnEverySampleOncePerEpoch) {
  const auto source = std::make_shared<NumberSource>(48);
  Loader loader = make_loader(source, training_options(8));
  std::vector<std::int64_t> first_order;
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::int64_t> order;
    for (std::int64_t k = 0; k < loader.batches_per_epoch(); ++k) {
      EXPECT_DOUBLE_EQ(loader.epochs_done(), epoch + static_cast<double>(k) / 6);
      const Batch batch = loader.next();
      order.insert(order.end(), batch.indices.begin(), batch.indices.end());
    }
    EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), 48u);
    if (epoch == 0) first_order = order;
    EXPECT_EQ(order == first_order, epoch == 0);
  }
}

TEST(Loader, DeliversEpisodesShorterAndLongerThanTheData) {
  const auto source = std::make_shared<NumberSource>(48);
  const LoaderOptions options = training_options(8);
  const SampleOrder passes = order_of(*source, options);
  for (const std::int64_t samples : {16, 96}) {
    Loader loader(source, testing::number_preprocess(), passes.episodes(samples), options);
    Loader plain = make_loader(source, options);
    EXPECT_EQ(loader.batches_per_epoch(), samples / 8);
    for (int k = 0; k < 24; ++k) {
      EXPECT_EQ(loader.epoch(), k * 8 / samples);
      EXPECT_EQ(loader.begins_epoch(), k * 8 % samples == 0);
      EXPECT_DOUBLE_EQ(loader.epochs_done(), k / 6.0) << "in passes over the data";
      EXPECT_EQ(loader.next().indices, plain.next().indices);
    }
  }
}

TEST(Loader, SplitsAGlobalBatchIntoSlicesOfTheRanks) {
  const auto source = std::make_shared<NumberSource>(50);
  source->bad[3] = BadKind::unreadable;
  Loader global = make_loader(source, training_options(12));
  std::vector<std::unique_ptr<Loader>> ranks;
  for (std::int64_t rank = 0; rank < 3; ++rank) {
    LoaderOptions options = training_options(12);
    options.rank = rank;
    options.world_size = 3;
    ranks.push_back(std::make_unique<Loader>(source, testing::number_preprocess(), options));
  }
  for (int k = 0; k < 10; ++k) {
    const Batch expected = global.next();
    std::vector<std::int64_t> joined;
    std::int64_t num_bad = 0;
    for (const auto& rank : ranks) {
      const Batch batch = rank->next();
      EXPECT_EQ(batch.size() + batch.num_bad, 4);
      joined.insert(joined.end(), batch.indices.begin(), batch.indices.end());
      num_bad += batch.num_bad;
    }
    EXPECT_EQ(joined, expected.indices);
    EXPECT_EQ(num_bad, expected.num_bad);
  }
}

TEST(Loader, EvaluatesEverySampleOnceAndKeepsTheSmallerLastBatch) {
  for (const std::int64_t threads : {1, 3}) {
    LoaderOptions options = evaluation_options(8);
    options.threads = threads;
    options.prefetch_batches = 5;  // more than there are batches
    Loader loader = make_loader(std::make_shared<NumberSource>(20), options);
    std::vector<std::int64_t> indices;
    std::vector<std::int64_t> sizes;
    while (!loader.finished()) {
      const Batch batch = loader.next();
      sizes.push_back(batch.size());
      indices.insert(indices.end(), batch.indices.begin(), batch.indices.end());
      for (std::size_t r = 0; r < batch.captions.size(); ++r) {
        EXPECT_EQ(batch.captions[r], fmt::format("first of {}", batch.indices[r]));
      }
    }
    std::vector<std::int64_t> all(20);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(indices, all);
    EXPECT_EQ(sizes, (std::vector<std::int64_t>{8, 8, 4}));
  }
}

TEST(Loader, SkipsBadSamples) {
  const auto good = std::make_shared<NumberSource>(40);
  const auto broken = std::make_shared<NumberSource>(40);
  broken->bad = {{0, BadKind::missing_file}, {13, BadKind::not_an_image}, {14, BadKind::not_an_image}};
  Loader expected_loader = make_loader(good, training_options(10));
  Loader loader = make_loader(broken, training_options(10));
  for (int k = 0; k < 8; ++k) {
    const Batch expected = expected_loader.next(), actual = loader.next();
    std::size_t row = 0;
    for (std::size_t place = 0; place < expected.indices.size(); ++place) {
      if (broken->bad.contains(expected.indices[place])) continue;
      ASSERT_LT(row, actual.indices.size());
      EXPECT_EQ(actual.indices[row], expected.indices[place]);
      EXPECT_EQ(actual.captions[row], expected.captions[place]);
      const auto r = static_cast<std::int64_t>(row++), p = static_cast<std::int64_t>(place);
      EXPECT_TRUE(at::equal(actual.images_BCHW[r], expected.images_BCHW[p]));
      const std::int64_t length = expected.end_positions_B[p].item<std::int64_t>() + 1;  // padding follows
      EXPECT_TRUE(
          at::equal(actual.tokens_BL[r].narrow(0, 0, length), expected.tokens_BL[p].narrow(0, 0, length)));
      EXPECT_TRUE(at::equal(actual.end_positions_B[r], expected.end_positions_B[p]));
    }
    EXPECT_EQ(actual.images_BCHW.size(0), actual.size());
    EXPECT_EQ(actual.size() + actual.num_bad, 10);
  }
  EXPECT_EQ(loader.bad_samples().count(BadKind::missing_file), 2);
  EXPECT_EQ(loader.bad_samples().count(BadKind::not_an_image), 4);
  EXPECT_EQ(loader.bad_samples().by_kind(), "2 missing file, 4 not an image");
  EXPECT_EQ(loader.bad_samples().examples(BadKind::missing_file).front(), "number 0: it is broken");
}

TEST(Loader, ReportsUnusableSamplesAtTheEndOfAnEpoch) {
  const auto broken = std::make_shared<NumberSource>(40);
  broken->bad = {{0, BadKind::missing_file}, {13, BadKind::not_an_image}, {14, BadKind::not_an_image}};
  Loader loader = make_loader(broken, training_options(10));
  set_log_level(LogLevel::warning);
  for (const int epoch : {0, 1}) {
    ::testing::internal::CaptureStderr();
    take_batches(loader, 3);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::Not(::testing::HasSubstr("of epoch")));
    ::testing::internal::CaptureStderr();
    loader.next();
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                ::testing::HasSubstr(fmt::format(
                    "3 of 40 samples of epoch {} were unusable: 1 missing file, 2 not an image", epoch)));
  }
  set_log_level(LogLevel::error);
}

TEST(Loader, TellsHowManyCaptionsAreTruncated) {
  Preprocess preprocess = testing::number_preprocess();
  preprocess.text = [text = preprocess.text](std::string_view caption) {
    EncodedText encoded = text(caption);
    encoded.is_truncated = caption.ends_with("3") || caption.ends_with("7");
    return encoded;
  };
  const auto expect_told = [&](std::int64_t size, std::int64_t batch_size, std::int64_t batches,
                               const std::string& message) {
    Loader loader(std::make_shared<NumberSource>(size), preprocess, training_options(batch_size));
    set_log_level(LogLevel::warning);
    ::testing::internal::CaptureStderr();
    take_batches(loader, batches);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr(message));
    set_log_level(LogLevel::error);
  };
  expect_told(40, 10, 4, "8 of 40 captions of epoch 0 have more tokens than the context length of");
  expect_told(2000, 1000, 1, " of 1,000 captions have more tokens");
}

TEST(Loader, PadsTokensToTheLongestTextAndReturnsEndPositions) {
  Loader loader = make_loader(std::make_shared<NumberSource>(12), evaluation_options(12));
  const Batch batch = loader.next();
  ASSERT_EQ(batch.tokens_BL.size(1), 11);  // "first of 11" is the longest
  const std::string caption = "first of 9";
  for (std::int64_t l = 0; l < 11; ++l) {
    const auto token = batch.tokens_BL[9][l].item<std::int64_t>();
    EXPECT_EQ(token, l < 10 ? caption[static_cast<std::size_t>(l)] : testing::kPad);
  }
  EXPECT_EQ(batch.end_positions_B[9].item<std::int64_t>(), 9);
  EXPECT_EQ(batch.end_positions_B[11].item<std::int64_t>(), 10);
}

TEST(Loader, RedrawsCaptionsEveryEpoch) {
  Loader loader = make_loader(std::make_shared<NumberSource>(400), training_options(400));
  std::map<std::int64_t, std::string> first;
  std::int64_t seconds = 0, changed = 0;
  for (int epoch = 0; epoch < 2; ++epoch) {
    const Batch batch = loader.next();
    for (std::size_t r = 0; r < batch.captions.size(); ++r) {
      seconds += batch.captions[r].starts_with("second") ? 1 : 0;
      const auto [before, is_new] = first.emplace(batch.indices[r], batch.captions[r]);
      changed += !is_new && before->second != batch.captions[r] ? 1 : 0;
    }
  }
  EXPECT_NEAR(static_cast<double>(seconds), 400, 64);  // of 800; 4.5 deviations
  EXPECT_NEAR(static_cast<double>(changed), 200, 45);  // of 400
}

TEST(Loader, SkipsTextInAnImageOnlyPass) {
  Preprocess images = testing::number_preprocess();
  images.text = nullptr;
  Loader loader(std::make_shared<NumberSource>(5), images, evaluation_options(4));
  const Batch batch = loader.next();
  EXPECT_EQ(batch.size(), 4);
  EXPECT_FALSE(batch.tokens_BL.defined());
  EXPECT_TRUE(batch.captions.empty());
}

TEST(Loader, ReusesMemoryOfReleasedBatchesOnly) {
  Loader loader = make_loader(std::make_shared<NumberSource>(64), training_options(8));
  std::set<const void*> addresses;
  for (int k = 0; k < 50; ++k) addresses.insert(loader.next().images_BCHW.const_data_ptr());
  EXPECT_LE(addresses.size(), 4u);

  Loader fresh = make_loader(std::make_shared<NumberSource>(64), training_options(8));
  std::vector<at::Tensor> kept, copies;
  for (int k = 0; k < 20; ++k) {
    kept.push_back(fresh.next().images_BCHW.select(1, 0));  // a view is enough to keep the memory
    copies.push_back(kept.back().clone());
  }
  for (std::size_t k = 0; k < kept.size(); ++k) EXPECT_TRUE(at::equal(kept[k], copies[k]));
}

TEST(Loader, RethrowsThreadExceptionsInOrder) {
  const auto source = std::make_shared<NumberSource>(40);
  Loader clean = make_loader(source, evaluation_options(4));
  const Batch third = take_batches(clean, 3).back();
  const auto failing = std::make_shared<NumberSource>(40);
  failing->on_read = [](std::int64_t index) {
    if (index == 9) throw std::runtime_error("the ninth");
    if (index >= 10) throw std::runtime_error("a later one");
  };
  for (const std::int64_t threads : {1, 4}) {
    LoaderOptions options = evaluation_options(4);
    options.threads = threads;
    Loader loader = make_loader(failing, options);
    loader.next();
    loader.next();
    for (int again = 0; again < 2; ++again) {
      try {
        loader.next();
        ADD_FAILURE() << "no exception";
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "the ninth");
      }
    }
    EXPECT_EQ(loader.position(), 8);
    loader.seek(0);
    EXPECT_EQ(loader.next().size(), 4);
  }
}

TEST(Loader, StopsEarlyIfEverySampleIsUnusable) {
  const auto source = std::make_shared<NumberSource>(100000);
  source->on_read = [](std::int64_t) { throw BadSample(BadKind::missing_file, "no such file"); };
  Loader loader = make_loader(source, training_options(32));
  testing::expect_user_error(
      [&] { take_batches(loader, 3); },
      {"none of the first 64 samples is usable (64 missing file)", "number ", "no such file"});
}

TEST(Loader, StopsAboveMaxBadShare) {
  for (const auto& [max_bad_share, every, fails] : {std::tuple(0.1, 20, false), std::tuple(0.1, 5, true),
                                                    std::tuple(0.0, 3000, true), std::tuple(1.0, 2, false)}) {
    const auto source = std::make_shared<NumberSource>(3000);
    for (std::int64_t index = 0; index < 3000; index += every) source->bad[index] = BadKind::no_caption;
    LoaderOptions options = training_options(100);
    options.max_bad_share = max_bad_share;
    Loader loader = make_loader(source, options);
    const auto run = [&] { take_batches(loader, 60); };
    if (fails) {
      testing::expect_user_error(
          run, {"samples of epoch 0 are unusable, more than data.max_bad_share (", "no caption", "number "});
    } else {
      EXPECT_NO_THROW(run());
    }
  }
}

TEST(Loader, ChecksMaxBadShareOfASmallSetAtTheEnd) {
  const auto source = std::make_shared<NumberSource>(50);
  source->bad = {{3, BadKind::no_caption}, {7, BadKind::too_large}};  // the last batch is full
  LoaderOptions options = evaluation_options(10);
  options.max_bad_share = 0.03;
  Loader loader = make_loader(source, options);
  take_batches(loader, 4);
  testing::expect_user_error([&] { loader.next(); }, {"2 of 50 samples", "1 too large, 1 no caption"});
  testing::expect_user_error([&] { loader.next(); }, {"2 of 50 samples"});  // again, until seek
}

TEST(Loader, ChecksMaxBadShareOfAnEvaluationAtTheEnd) {
  const auto source = std::make_shared<NumberSource>(500);
  for (std::int64_t index = 0; index < 70; ++index) source->bad[index] = BadKind::missing_file;
  LoaderOptions options = evaluation_options(10);
  options.max_bad_share = 0.2;
  Loader loader = make_loader(source, options);
  std::int64_t usable = 0;
  while (!loader.finished()) usable += loader.next().size();
  EXPECT_EQ(usable, 430);
}

TEST(Loader, CanBeDestroyedAtAnyTime) {
  for (int trial = 0; trial < 40; ++trial) {
    const auto source = std::make_shared<NumberSource>(100);
    source->on_read = [](std::int64_t) { std::this_thread::sleep_for(std::chrono::microseconds(50)); };
    LoaderOptions options = training_options(16);
    options.threads = 1 + trial % 4;
    Loader loader = make_loader(source, options);
    for (int k = 0; k < trial % 3; ++k) loader.next();
    if (trial % 5 == 0) loader.seek(loader.position());
  }
}

TEST(Loader, SaysHowManyBatchesAreReady) {
  LoaderOptions options = training_options(8);
  options.prefetch_batches = 3;
  Loader loader = make_loader(std::make_shared<NumberSource>(8), options);
  EXPECT_EQ(loader.ready_batches(), 0);
  loader.next();
  for (int tries = 0; loader.ready_batches() < 3 && tries < 1000; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(loader.ready_batches(), 3);
}

TEST(Loader, NeedsOneFullTrainingBatch) {
  testing::expect_user_error([] { make_loader(std::make_shared<NumberSource>(5), training_options(6)); },
                             {"5 samples", "train.global_batch_size 6"});
}

TEST(Loader, GivesABatchBack) {
  const auto source = std::make_shared<NumberSource>(50);
  source->bad[7] = source->bad[8] = BadKind::missing_file;
  const LoaderOptions options = training_options(8);
  Loader straight = make_loader(source, options), loader = make_loader(source, options);
  for (int k = 0; k < 15; ++k) {
    const std::int64_t position = loader.position(), seen = loader.samples_seen(),
                       bad = loader.bad_samples().total();
    loader.next();
    loader.unread();
    EXPECT_EQ(loader.position(), position);
    EXPECT_EQ(loader.samples_seen(), seen);
    EXPECT_EQ(loader.bad_samples().total(), bad);
    expect_same_batch(loader.next(), straight.next());
  }
}

// An episode that is read twice: the places of its batches say which samples they had.
TEST(Loader, GoesThroughAnOrderThatIsGivenAndSaysThePlaces) {
  const auto source = std::make_shared<NumberSource>(30);
  const SampleOrder order({{.size = 30}}, {.shuffle = Shuffle::full, .seed = 5});
  for (const Purpose purpose : {Purpose::training, Purpose::evaluation}) {
    LoaderOptions options = training_options(10);
    options.purpose = purpose;
    Loader loader(source, testing::number_preprocess(), order, options);
    for (std::int64_t first = 0; first < 30; first += 10) {
      const Batch batch = loader.next();
      EXPECT_EQ(batch.epoch, 0);
      for (std::int64_t row = 0; row < 10; ++row) {
        const auto place = static_cast<std::size_t>(row);
        EXPECT_EQ(batch.places[place], first + row);
        EXPECT_EQ(batch.indices[place], order.of_epoch(0)->at(first + row).index);
      }
    }
  }
}

TEST(Loader, SaysThePlacesOfWhatIsUsableAlone) {
  const auto source = std::make_shared<NumberSource>(10);
  source->bad[1] = BadKind::missing_file;
  LoaderOptions options = evaluation_options(5);
  options.max_bad_share = 1;
  Loader loader = make_loader(source, options);
  EXPECT_THAT(loader.next().places, ::testing::ElementsAre(0, 2, 3, 4));
}

}  // namespace
}  // namespace cloob

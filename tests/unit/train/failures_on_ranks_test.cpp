// What a run tells the other ranks, and what it does when one of them fails.
#include <filesystem>
#include <functional>

#include "cloob/base/rank_failure.h"
#include "cloob/image/encode.h"
#include "cloob/train/trainer.h"
#include "support/support.h"
#include "support/test_files.h"
#include "unit/train/tiny_training.h"

namespace cloob {
namespace {

// One process, with what happens in place of its operations.
class WatchedRank final : public Collectives {
 public:
  explicit WatchedRank(std::function<void(RankActivity)> on_announcement = [](RankActivity) {})
      : on_announcement_(std::move(on_announcement)) {}

  // From now on operations fail as they do when another rank is gone.
  void break_group() const { is_broken_ = true; }
  std::int64_t failed_operations() const { return num_failed_; }
  const std::vector<RankActivity>& announced() const { return announced_; }

  std::int64_t rank() const override { return 0; }
  std::int64_t world_size() const override { return 1; }
  GatheredRows gather_rows(const at::Tensor& local_BD) const override {
    fail_if_broken();
    return {local_BD, 0};
  }
  void sum_in_place(std::span<const at::Tensor>) const override { fail_if_broken(); }
  double max(double number) const override {
    fail_if_broken();
    return number;
  }
  void broadcast(const NamedTensors&) const override { fail_if_broken(); }
  void announce(RankActivity activity) const override {
    announced_.push_back(activity);
    on_announcement_(activity);
  }

 private:
  void fail_if_broken() const {
    if (!is_broken_) return;
    ++num_failed_;
    throw RankFailure("rank 1 of 2 is gone");
  }

  std::function<void(RankActivity)> on_announcement_;
  mutable std::vector<RankActivity> announced_;
  mutable bool is_broken_ = false;
  mutable std::int64_t num_failed_ = 0;
};

class FailuresOnRanks : public ::testing::Test {
 protected:
  FailuresOnRanks() : config_(testing::config_of(ImageEncoderKind::vit)) {
    testing::Members members;
    for (int i = 0; i < 8; ++i) {
      const ImageU8 image = make_image({16, 16}, PixelMode::rgb);
      members.emplace_back(std::to_string(i) + ".png", encode_png(image));
      members.emplace_back(std::to_string(i) + ".txt", "caption " + std::to_string(i));
    }
    const std::string shard = testing::write_tar(folder_ / "pairs.tar", members).string();
    config_.data.train = {shard};
    config_.data.val = {shard};
    config_.data.webdataset.image_members = {"png"};
    config_.model.text.vocab_size = 49408;
    config_.train.global_batch_size = 4;
    config_.train.steps = 4;
    config_.train.device = DeviceChoice::cpu;
    config_.eval.every_epochs = 0;
    config_.eval.at_end = false;
    config_.checkpoint.every_steps = 2;
    config_.checkpoint.every_epochs = 0;
    config_.report = {
        .every_steps = 1, .tensorboard = false, .contact_sheet = false, .progress = ProgressStyle::none};
  }

  std::filesystem::path run_folder() const { return folder_ / "run"; }
  void train(const Collectives& collectives) const {
    const RunDirectory directory(run_folder());
    RunStart start;
    start.directory = &directory;
    Trainer(config_, start, collectives).run();
  }

  testing::TempDir folder_;
  RunConfig config_;
};

// While a rank says that it saves, its watch lets it be, whatever happens to the others.
TEST_F(FailuresOnRanks, ARankThatHasSavedIsExpectedToGetOn) {
  const WatchedRank rank;
  train(rank);
  EXPECT_THAT(rank.announced(), ::testing::Contains(RankActivity::checkpoint).Times(2));
  EXPECT_EQ(rank.announced().back(), RankActivity::step);
}

TEST_F(FailuresOnRanks, ARankThatCouldNotSaveIsExpectedToGetOn) {
  const WatchedRank rank([&](RankActivity activity) {
    if (activity == RankActivity::checkpoint) std::filesystem::remove_all(run_folder());
  });
  testing::expect_user_error([&] { train(rank); }, {run_folder().string()});
  EXPECT_EQ(rank.announced().back(), RankActivity::step);
}

TEST_F(FailuresOnRanks, NothingIsAskedOfAGroupThatBreaksInAnEvaluation) {
  config_.eval.at_end = true;
  const WatchedRank* self = nullptr;
  const WatchedRank rank([&](RankActivity activity) {
    if (activity == RankActivity::evaluation) self->break_group();
  });
  self = &rank;
  EXPECT_THROW(train(rank), RankFailure);
  EXPECT_EQ(rank.failed_operations(), 1);
}

}  // namespace
}  // namespace cloob

#include "cloob/optim/schedule.h"

#include <string>
#include <vector>

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<double> rates(const ScheduleConfig& schedule, Reference reference, std::int64_t total_steps,
                          std::int64_t num_steps) {
  std::vector<double> lr;
  for (std::int64_t step = 0; step < num_steps; ++step)
    lr.push_back(lr_at(schedule, 1.0, reference, step, total_steps));
  return lr;
}

void expect_rates(const std::vector<double>& actual, std::int64_t first,
                  const std::vector<double>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto step = static_cast<std::size_t>(first) + i;
    EXPECT_NEAR(actual.at(step), expected[i], 5e-7) << "step " << step;  // expected has six decimals
  }
}

TEST(LrAt, MatchesCloobsCosine) {
  const ScheduleConfig schedule{.kind = ScheduleKind::cosine, .warmup_steps = 4};
  const std::vector<double> lr = rates(schedule, Reference::cloob, 20, 22);
  expect_rates(lr, 0, {0, .25, .5, .75, 1, .990393, .96194, .915735, .853553});
  expect_rates(lr, 19, {.009607, 0, .009607});
}

TEST(LrAt, MatchesCloobsCosineRestarts) {
  const ScheduleConfig schedule{
      .kind = ScheduleKind::cosine_restarts, .warmup_steps = 4, .restart_cycles = 2};
  const std::vector<double> lr = rates(schedule, Reference::cloob, 20, 22);
  expect_rates(lr, 0, {0, .25, .5, .75, 1, .96194, .853553, .691342, .5, .308658, .146447, .03806, 1});
  expect_rates(lr, 19, {.03806, 0, 0});
}

TEST(LrAt, StartsAboveZeroInOpenClipAndAtZeroInCloob) {
  for (const auto& [name, kind] : EnumNames<ScheduleKind>::names) {
    const ScheduleConfig schedule{.kind = kind, .warmup_steps = 4, .cooldown_steps = 5};
    EXPECT_DOUBLE_EQ(lr_at(schedule, 2.0, Reference::open_clip, 0, 20), 0.5) << name;
    EXPECT_DOUBLE_EQ(lr_at(schedule, 2.0, Reference::cloob, 0, 20), 0.0) << name;
  }
}

TEST(LrAt, PeaksRightAfterWarmupAndStaysWithinBounds) {
  for (const auto& [name, kind] : EnumNames<ScheduleKind>::names) {
    for (const Reference reference : {Reference::open_clip, Reference::cloob}) {
      for (const std::int64_t warmup_steps : {0, 1, 4}) {
        const ScheduleConfig schedule{
            .kind = kind, .warmup_steps = warmup_steps, .restart_cycles = 3, .cooldown_steps = 5};
        EXPECT_DOUBLE_EQ(lr_at(schedule, 2.0, reference, warmup_steps, 20), 2.0) << name;
        for (const double lr : rates(schedule, reference, 20, 20)) {
          EXPECT_GE(lr, 0.0) << name;
          EXPECT_LE(lr, 1.0) << name;
        }
      }
    }
  }
}

TEST(LrAt, IsDefinedForRunsThatEndDuringOrRightAfterWarmup) {
  for (const auto& [name, kind] : EnumNames<ScheduleKind>::names) {
    const ScheduleConfig schedule{.kind = kind, .warmup_steps = 10, .cooldown_steps = 30};
    EXPECT_DOUBLE_EQ(lr_at(schedule, 1.0, Reference::open_clip, 4, 5), 0.5) << name;
    const double after = lr_at(schedule, 1.0, Reference::open_clip, 10, 10);
    EXPECT_TRUE(after >= 0.0 && after <= 1.0) << name << ": " << after;
  }
}

TEST(LrAt, CoolsDownToTheEndLr) {
  const ScheduleConfig schedule{.kind = ScheduleKind::constant_cooldown,
                                .warmup_steps = 2,
                                .cooldown_steps = 4,
                                .cooldown_end_lr = 0.2,
                                .cooldown_power = 2.0};
  const std::vector<double> lr = rates(schedule, Reference::open_clip, 10, 12);
  // 0.8 (k / 4)^2 + 0.2 with k steps left
  expect_rates(lr, 5, {1, 1, 0.65, 0.4, 0.25, 0.2, 0.2});
}

TEST(LearningRatesAt, WithoutWindowsAreThoseOfTheRun) {
  for (const auto& [name, kind] : EnumNames<ScheduleKind>::names) {
    const ScheduleConfig schedule{.kind = kind, .warmup_steps = 4, .cooldown_steps = 5};
    for (std::int64_t step = 0; step < 23; ++step) {
      const LearningRates lr = learning_rates_at(schedule, 2.0, Reference::cloob, step, 20);
      EXPECT_EQ(lr.image, lr_at(schedule, 2.0, Reference::cloob, step, 20)) << name;
      EXPECT_EQ(lr.other, lr.image) << name;
    }
  }
}

TEST(LearningRatesAt, AreThoseOfARunAsLongAsTheWindow) {
  for (const auto& [name, kind] : EnumNames<ScheduleKind>::names) {
    const ScheduleConfig whole{.kind = kind, .warmup_steps = 3, .restart_cycles = 2, .cooldown_steps = 4};
    ScheduleConfig schedule = whole;
    schedule.image_end_step = 12;
    schedule.text_start_step = 5;
    schedule.text_end_step = 18;
    for (std::int64_t step = 0; step < 25; ++step) {
      const LearningRates lr = learning_rates_at(schedule, 2.0, Reference::open_clip, step, 20);
      EXPECT_EQ(lr.image, step < 12 ? lr_at(whole, 2.0, Reference::open_clip, step, 12) : 0) << name << step;
      const bool text_learns = step >= 5 && step < 18;
      EXPECT_EQ(lr.other, text_learns ? lr_at(whole, 2.0, Reference::open_clip, step - 5, 13) : 0)
          << name << step;
    }
  }
}

TEST(WithImageLockedFrom, KeepsAnEarlierEnd) {
  EXPECT_EQ(with_image_locked_from(8, {}).image_end_step, 8);
  EXPECT_EQ(with_image_locked_from(8, {.image_end_step = 5}).image_end_step, 5);
  EXPECT_EQ(with_image_locked_from(8, {.image_end_step = 9}).image_end_step, 8);
  const ScheduleConfig never = with_image_locked_from(0, {.warmup_steps = 3});
  EXPECT_EQ(learning_rates_at(never, 1.0, Reference::open_clip, 0, 20).image, 0);
}

TEST(ScheduleConfig, RejectsWindowsThatTrainNothing) {
  const auto expect_error = [](const ScheduleConfig& schedule, std::initializer_list<std::string> parts) {
    testing::expect_user_error([&] { schedule.validate(); }, parts);
  };
  expect_error({.warmup_steps = 10, .image_end_step = 10},
               {"schedule.image_end_step is 10", "schedule.warmup_steps (10) last until step 10"});
  expect_error({.warmup_steps = 10, .text_start_step = 7, .text_end_step = 17},
               {"schedule.text_end_step is 17", "from schedule.text_start_step (7) last until step 17",
                "set schedule.text_end_step to more than 17"});
  expect_error({.warmup_steps = 0, .text_start_step = 7, .text_end_step = 6}, {"text_end_step is 6"});
  expect_error({.warmup_steps = 2, .image_end_step = 10, .text_start_step = 11},
               {"image_end_step is 10 and schedule.text_start_step is 11", "nothing would be trained"});
  EXPECT_NO_THROW(
      (ScheduleConfig{.warmup_steps = 2, .image_end_step = 10, .text_start_step = 10}.validate()));
  EXPECT_NO_THROW((ScheduleConfig{.warmup_steps = 2, .text_start_step = 4, .text_end_step = 7}.validate()));
}

TEST(ScheduleConfig, RejectsACooldownOfZeroSteps) {
  testing::expect_user_error([] { ScheduleConfig{.kind = ScheduleKind::constant_cooldown}.validate(); },
                             {"schedule.cooldown_steps is 0"});
  EXPECT_NO_THROW(ScheduleConfig().validate());
}

TEST(SettingsWithoutEffect, ReportsSettingsOfOtherSchedules) {
  ScheduleConfig schedule{
      .restart_cycles = 10, .cooldown_steps = 5, .cooldown_end_lr = 1e-5, .cooldown_power = 2};
  EXPECT_THAT(settings_without_effect(schedule),
              ElementsAre("schedule.restart_cycles (schedule.kind is cosine)",
                          "schedule.cooldown_steps (schedule.kind is cosine)",
                          "schedule.cooldown_end_lr (schedule.kind is cosine)",
                          "schedule.cooldown_power (schedule.kind is cosine)"));
  schedule.kind = ScheduleKind::constant_cooldown;
  EXPECT_THAT(settings_without_effect(schedule),
              ElementsAre("schedule.restart_cycles (schedule.kind is constant_cooldown)"));
  EXPECT_THAT(settings_without_effect(ScheduleConfig{}), IsEmpty());
}

}  // namespace
}  // namespace cloob

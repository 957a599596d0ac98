#include "train/odd_settings.h"

#include <gmock/gmock.h>

#include "cloob/base/text.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string warnings_of(const RunConfig& config) {
  return join(odd_settings(config, /*step=*/0, /*total_steps=*/100, at::kCPU), "\n");
}

TEST(OddSettings, NameAWarmUpThatTheRunNeverLeaves) {
  RunConfig config;
  config.schedule.warmup_steps = 10;
  config.retrieval = {.kind = RetrievalKind::hopfield, .warmup_steps = 99};
  EXPECT_THAT(warnings_of(config), Not(HasSubstr("warmup_steps")));
  config.retrieval.warmup_steps = 100;
  EXPECT_THAT(warnings_of(config), HasSubstr("retrieval.warmup_steps is 100 and the run has 100 steps"));
  config.retrieval.kind = RetrievalKind::none;
  config.schedule.warmup_steps = 100;
  EXPECT_THAT(warnings_of(config), HasSubstr("schedule.warmup_steps is 100"));
  EXPECT_THAT(warnings_of(config), Not(HasSubstr("retrieval.warmup_steps")));
}

TEST(OddSettings, NameWindowsThatDoNotFitTheRun) {
  RunConfig config;
  config.schedule = {.warmup_steps = 10, .image_end_step = 100, .text_start_step = 89, .text_end_step = 100};
  EXPECT_THAT(warnings_of(config), Not(HasSubstr("schedule.")));
  config.schedule.image_end_step = 101;
  EXPECT_THAT(warnings_of(config), HasSubstr("schedule.image_end_step is 101 and the run has 100 steps"));
  config.schedule = {.warmup_steps = 10, .text_start_step = 90};
  EXPECT_THAT(warnings_of(config), HasSubstr("schedule.text_start_step (90) and warmup_steps (10)"));
  config.schedule = {.warmup_steps = 10, .image_end_step = 70, .text_end_step = 60};
  EXPECT_THAT(warnings_of(config), HasSubstr("nothing is trained in the last 30 steps"));
}

TEST(OddSettings, NameABiasThatTakesMostTextsForTheImagesOwn) {
  RunConfig config;
  config.train.global_batch_size = 1000;
  config.loss = {.kind = LossKind::sigmoid, .logit_bias = -1};
  EXPECT_THAT(warnings_of(config), HasSubstr("loss.logit_bias -1 takes 269 of the 999"));
  EXPECT_THAT(warnings_of(config), HasSubstr("Set it to -7 or lower"));
  config.loss.logit_bias = -7;
  EXPECT_THAT(warnings_of(config), Not(HasSubstr("logit_bias")));
  config.loss = {.kind = LossKind::info_nce, .logit_bias = -1};
  EXPECT_THAT(warnings_of(config), Not(HasSubstr("logit_bias")));
}

}  // namespace
}  // namespace cloob

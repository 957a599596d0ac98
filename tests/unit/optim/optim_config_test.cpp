#include "cloob/optim/optim_config.h"

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using testing::expect_user_error;
using ::testing::HasSubstr;

TEST(OptimizerConfig, RejectsTwoFrozenTowers) {
  OptimizerConfig config;
  config.image.frozen = true;
  EXPECT_NO_THROW(config.validate());
  config.text.frozen = true;
  expect_user_error([&] { config.validate(); },
                    {"optimizer.image.frozen", "at least one tower must be trained"});
}

TEST(OptimizerConfig, RejectsATowerLearningRateWhenItsOwnIsZero) {
  OptimizerConfig config{.lr = 0};
  EXPECT_NO_THROW(config.validate());
  config.image.lr = 1e-4;
  expect_user_error([&] { config.validate(); }, {"optimizer.lr is 0", "optimizer.text.frozen"});
}

TEST(OptimizerConfig, ReportsSettingsWithoutEffect) {
  OptimizerConfig config;
  config.image = {.frozen = true, .lr = 1e-4, .layer_decay = 0.9};
  config.spike_guard.max_norm_ratio = 5;
  EXPECT_THAT(settings_without_effect(config),
              ElementsAre(HasSubstr("optimizer.image.lr"), HasSubstr("optimizer.image.layer_decay"),
                          HasSubstr("optimizer.spike_guard.max_norm_ratio")));
  EXPECT_THAT(settings_without_effect(OptimizerConfig{}), ElementsAre());
}

}  // namespace
}  // namespace cloob

#include "cloob/objective/objective_system.h"

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ObjectiveSystem, RoundTripsThroughItsKinds) {
  for (const auto& [name, system] : EnumNames<ObjectiveSystem>::names) {
    EXPECT_EQ(system_of(kinds_of(system).loss, kinds_of(system).retrieval), system) << name;
  }
}

TEST(SettingsWithoutEffect, ReportsRetrievalSettingsOfARunWithoutRetrieval) {
  const RetrievalConfig retrieval{
      .kind = RetrievalKind::none, .beta = 14.3, .learn_beta = true, .update_steps = 2, .warmup_steps = 100};
  EXPECT_THAT(
      settings_without_effect({}, retrieval),
      ElementsAre("retrieval.beta (retrieval.kind is none)", "retrieval.learn_beta (retrieval.kind is none)",
                  "retrieval.update_steps (retrieval.kind is none)",
                  "retrieval.warmup_steps (retrieval.kind is none)"));
  RetrievalConfig hopfield = retrieval;
  hopfield.kind = RetrievalKind::hopfield;
  EXPECT_THAT(settings_without_effect({}, hopfield), IsEmpty());
  EXPECT_THAT(settings_without_effect({}, {}), IsEmpty());
}

TEST(SettingsWithoutEffect, ReportsBoundsOfAFixedScale) {
  LossConfig loss{.inv_tau = 30, .learn_inv_tau = false, .inv_tau_max = 50};
  EXPECT_THAT(settings_without_effect(loss, {}),
              ElementsAre("loss.inv_tau_max (loss.learn_inv_tau is false)"));
  loss.inv_tau_min = 20;
  EXPECT_THAT(settings_without_effect(loss, {}),
              ElementsAre("loss.inv_tau_min (loss.learn_inv_tau is false)",
                          "loss.inv_tau_max (loss.learn_inv_tau is false)"));
  loss.learn_inv_tau = true;
  EXPECT_THAT(settings_without_effect(loss, {}), IsEmpty());
}

TEST(SettingsWithoutEffect, ReportsTheBiasOfALossWithoutOne) {
  LossConfig loss{.logit_bias = -5};
  EXPECT_THAT(settings_without_effect(loss, {}), ElementsAre("loss.logit_bias (loss.kind is not sigmoid)"));
  loss.kind = LossKind::sigmoid;
  EXPECT_THAT(settings_without_effect(loss, {}), IsEmpty());
}

TEST(SettingsWithoutEffect, IgnoresBoundsThatAFixedScaleNeeds) {
  const LossConfig large{.inv_tau = 200, .learn_inv_tau = false, .inv_tau_max = 300};
  const LossConfig small{.inv_tau = 0.5, .learn_inv_tau = false, .inv_tau_min = 0.1};
  EXPECT_THAT(settings_without_effect(large, {}), IsEmpty());
  EXPECT_THAT(settings_without_effect(small, {}), IsEmpty());
}

TEST(LossConfig, KeepsTheScaleWithinItsBounds) {
  EXPECT_NO_THROW(LossConfig().validate());
  testing::expect_user_error([] { LossConfig{.inv_tau = 130}.validate(); },
                             {"loss.inv_tau is 130", "loss.inv_tau_min (1)", "loss.inv_tau_max (100)"});
  testing::expect_user_error([] { LossConfig{.inv_tau = 0.5}.validate(); }, {"loss.inv_tau is 0.5"});
}

}  // namespace
}  // namespace cloob

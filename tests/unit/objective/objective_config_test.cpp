#include "cloob/objective/objective_config.h"

#include "support/support.h"

namespace cloob {
namespace {

TEST(LossConfig, RejectsAScaleOutsideItsBoundsAndReversedBounds) {
  testing::expect_user_error([] { LossConfig{.inv_tau = 30, .inv_tau_max = 20}.validate(); },
                             {"loss.inv_tau is 30", "loss.inv_tau_max (20)"});
  testing::expect_user_error([] { LossConfig{.inv_tau_min = 50, .inv_tau_max = 20}.validate(); },
                             {"loss.inv_tau_min is 50", "above loss.inv_tau_max (20)"});
}

}  // namespace
}  // namespace cloob

#include "cloob/objective/objective_config.h"

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {

void LossConfig::validate() const {
  if (inv_tau_min > inv_tau_max) {
    throw_user_error("loss.inv_tau_min is {}, must not be above loss.inv_tau_max ({})", shortest(inv_tau_min),
                     shortest(inv_tau_max));
  }
  if (inv_tau_min <= inv_tau && inv_tau <= inv_tau_max) return;
  throw_user_error("loss.inv_tau is {}, must be between loss.inv_tau_min ({}) and loss.inv_tau_max ({})",
                   shortest(inv_tau), shortest(inv_tau_min), shortest(inv_tau_max));
}

}  // namespace cloob

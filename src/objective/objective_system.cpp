#include "cloob/objective/objective_system.h"

namespace cloob {

std::vector<std::string> settings_without_effect(const LossConfig& loss, const RetrievalConfig& retrieval) {
  std::vector<std::string> ignored;
  const auto report = [&ignored](bool differs, std::string_view setting, std::string_view reason) {
    if (differs) ignored.push_back(std::string(setting) + " (" + std::string(reason) + ")");
  };
  const RetrievalConfig defaults;
  if (retrieval.kind == RetrievalKind::none) {
    constexpr std::string_view kReason = "retrieval.kind is none";
    report(retrieval.beta != defaults.beta, "retrieval.beta", kReason);
    report(retrieval.learn_beta != defaults.learn_beta, "retrieval.learn_beta", kReason);
    report(retrieval.update_steps != defaults.update_steps, "retrieval.update_steps", kReason);
    report(retrieval.warmup_steps != defaults.warmup_steps, "retrieval.warmup_steps", kReason);
  }
  const LossConfig default_loss;
  report(loss.kind != LossKind::sigmoid && loss.logit_bias != default_loss.logit_bias, "loss.logit_bias",
         "loss.kind is not sigmoid");
  if (!loss.learn_inv_tau) {
    constexpr std::string_view kReason = "loss.learn_inv_tau is false";
    // A bound has an effect if it allows a fixed inv_tau that the default bound would not.
    report(loss.inv_tau_min != default_loss.inv_tau_min && default_loss.inv_tau_min <= loss.inv_tau,
           "loss.inv_tau_min", kReason);
    report(loss.inv_tau_max != default_loss.inv_tau_max && loss.inv_tau <= default_loss.inv_tau_max,
           "loss.inv_tau_max", kReason);
  }
  return ignored;
}

}  // namespace cloob

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cloob/config/field.h"

namespace cloob {

/// Sections `optimizer.image` and `optimizer.text`: what one tower does otherwise than the rest.
struct TowerOptimizerConfig {
  bool frozen = false;
  std::optional<double> lr = std::nullopt;
  double layer_decay = 1.0;

  static constexpr auto fields() {
    using C = TowerOptimizerConfig;
    return std::tuple(
        field("frozen", &C::frozen,
              "Whether the tower keeps its weights (locked-image tuning, Zhai et al., 2022). A frozen tower "
              "runs as in evaluation: batch norms use their running statistics, no patches are dropped."),
        field("lr", &C::lr, "Peak learning rate of the tower. Unset: optimizer.lr.", Range{0.0, 10.0}),
        field("layer_decay", &C::layer_decay,
              "Factor on the learning rate for each layer further from the output (Clark et al., 2020; Bao "
              "et al., 2022): the projection has the full rate, the last block this part of it, the "
              "embeddings the least. A ResNet's layers are its stem and its four stages.",
              Range{1e-6, 1.0}));
  }
};
static_assert(lists_every_member<TowerOptimizerConfig>);

/// Section `optimizer.spike_guard`: steps that would do harm are left out.
struct SpikeGuardConfig {
  bool enabled = false;
  double max_norm_ratio = 10.0;
  std::int64_t rollback_after_steps = 10;

  static constexpr auto fields() {
    using C = SpikeGuardConfig;
    return std::tuple(
        field("enabled", &C::enabled,
              "Whether a step whose loss or gradient is not finite, or whose gradient norm is an outlier, is "
              "skipped and counted. Otherwise a loss or gradient that is not finite ends the run."),
        field("max_norm_ratio", &C::max_norm_ratio,
              "A gradient norm is an outlier above this many times the running average of the norms before "
              "it, once 20 steps were taken.",
              Range{1.0, 1e6}),
        field("rollback_after_steps", &C::rollback_after_steps,
              "Skipped steps in a row after which the weights and the optimizer go back to the newest "
              "checkpoint from before them; the data and the schedule go on.",
              Range{1, 1e6}));
  }
};
static_assert(lists_every_member<SpikeGuardConfig>);

/// Section `optimizer`: AdamW. The defaults are those of open_clip and CLOOB for their ResNets.
struct OptimizerConfig {
  double lr = 5e-4;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.2;
  std::optional<double> grad_clip_norm = std::nullopt;
  std::optional<double> ema_decay = std::nullopt;
  TowerOptimizerConfig image = {};
  TowerOptimizerConfig text = {};
  SpikeGuardConfig spike_guard = {};

  static constexpr auto fields() {
    using C = OptimizerConfig;
    return std::tuple(
        field("lr", &C::lr, "Peak learning rate, reached after warm-up.", Range{0.0, 10.0}),
        field("beta1", &C::beta1, "Decay rate of AdamW's mean of gradients.", Range{0.0, 0.999999}),
        field("beta2", &C::beta2,
              "Decay rate of AdamW's mean of squared gradients. The reference codes use 0.999 for ResNets "
              "and 0.98 for "
              "vision transformers.",
              Range{0.0, 0.999999}),
        field("eps", &C::eps,
              "Added to AdamW's denominator. The reference codes use 1e-8 for ResNets and 1e-6 for vision "
              "transformers.",
              Range{1e-30, 1.0}),
        field("weight_decay", &C::weight_decay,
              "Decoupled weight decay, multiplied by the learning rate at every step. `reference` decides "
              "which tensors are "
              "exempt.",
              Range{0.0, 10.0}),
        field("grad_clip_norm", &C::grad_clip_norm,
              "Scales all gradients down so that their joint L2 norm is at most this. Unset: no clipping.",
              Range{1e-12, 1e12}),
        field(
            "ema_decay", &C::ema_decay,
            "Keeps an exponential moving average of the weights with this decay a step, 0.9999 for example "
            "(less in the first steps: (1 + step) / (10 + step)). Evaluations use the averaged weights, and "
            "a checkpoint's weights are these; a learned beta has no average. Unset: no average.",
            Range{0.0, 0.9999999}),
        field("image", &C::image, "What the image tower does otherwise."),
        field("text", &C::text, "What the text tower does otherwise."),
        field("spike_guard", &C::spike_guard, "What happens to steps that would do harm."));
  }

  /// Throws UserError when nothing is left to train, or a tower's learning rate cannot follow the schedule.
  void validate() const;
};
static_assert(lists_every_member<OptimizerConfig>);

enum class ScheduleKind { cosine, cosine_restarts, constant, constant_cooldown };

template <>
struct EnumNames<ScheduleKind> {
  static constexpr std::array<std::pair<std::string_view, ScheduleKind>, 4> names = {
      {{"cosine", ScheduleKind::cosine},
       {"cosine_restarts", ScheduleKind::cosine_restarts},
       {"constant", ScheduleKind::constant},
       {"constant_cooldown", ScheduleKind::constant_cooldown}}};
};

/// Section `schedule`: the learning rate as a function of the step.
struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::cosine;
  std::int64_t warmup_steps = 10'000;
  std::int64_t restart_cycles = 1;
  std::int64_t cooldown_steps = 0;
  double cooldown_end_lr = 0.0;
  double cooldown_power = 1.0;

  static constexpr auto fields() {
    using C = ScheduleConfig;
    return std::tuple(
        field("kind", &C::kind,
              "After warm-up: cosine falls to 0 at the last step, cosine_restarts does so several times, "
              "constant stays, "
              "constant_cooldown stays and falls at the end."),
        field("warmup_steps", &C::warmup_steps,
              "Optimizer steps over which the learning rate rises linearly to its peak.", Range{0, 1e9}),
        field("restart_cycles", &C::restart_cycles,
              "For cosine_restarts: how many times the learning rate falls from its peak to 0.",
              Range{1, 1e6}),
        field("cooldown_steps", &C::cooldown_steps,
              "For constant_cooldown: optimizer steps at the end over which the learning rate falls.",
              Range{0, 1e9}),
        field("cooldown_end_lr", &C::cooldown_end_lr,
              "For constant_cooldown: the learning rate that the cooldown ends with.", Range{0.0, 10.0}),
        field("cooldown_power", &C::cooldown_power,
              "For constant_cooldown: power of the remaining share of the cooldown; 1 falls linearly.",
              Range{1e-3, 100.0}));
  }

  /// Throws UserError when constant_cooldown has no cooldown.
  void validate() const;
};
static_assert(lists_every_member<ScheduleConfig>);

/// Settings that differ from their defaults but belong to another `schedule.kind`, each with the reason.
std::vector<std::string> settings_without_effect(const ScheduleConfig& schedule);
/// Settings that differ from their defaults but belong to something that is switched off, each with the
/// reason.
std::vector<std::string> settings_without_effect(const OptimizerConfig& optimizer);

}  // namespace cloob

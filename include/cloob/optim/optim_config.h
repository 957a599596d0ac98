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

/// Sections `optimizer.image` and `optimizer.text`: settings of one tower.
struct TowerOptimizerConfig {
  bool frozen = false;
  std::optional<double> lr = std::nullopt;
  double layer_decay = 1.0;

  static constexpr auto fields() {
    using C = TowerOptimizerConfig;
    return std::tuple(
        field("frozen", &C::frozen,
              "Whether the tower is not trained (locked-image tuning, Zhai et al., 2022). A frozen tower "
              "runs in evaluation mode: batch norms use their running statistics, no patches are dropped."),
        field(
            "lr", &C::lr,
            "Peak learning rate of the tower, which follows the schedule in the steps in which the tower learns "
            "(schedule.image_end_step, schedule.text_start_step); layer_decay lowers it. Unset: optimizer.lr.",
            Range{0.0, 10.0}),
        field("layer_decay", &C::layer_decay,
              "Factor on the learning rate for each layer further from the output (Clark et al., 2020; Bao "
              "et al., 2022): the projection has the full rate, the last block this fraction of it, the "
              "embeddings the lowest. A ResNet's layers are its stem and its four stages.",
              Range{1e-6, 1.0}));
  }
};
static_assert(lists_every_member<TowerOptimizerConfig>);

/// Section `optimizer.spike_guard`: skips harmful steps.
struct SpikeGuardConfig {
  bool enabled = false;
  double max_norm_ratio = 10.0;
  std::int64_t rollback_after_steps = 10;

  static constexpr auto fields() {
    using C = SpikeGuardConfig;
    return std::tuple(
        field("enabled", &C::enabled,
              "Whether to skip and count steps whose loss or gradient is not finite, or whose gradient norm "
              "is an outlier. Otherwise a loss or gradient that is not finite ends the run."),
        field("max_norm_ratio", &C::max_norm_ratio,
              "A gradient norm is an outlier if it exceeds this multiple of the running average of the "
              "previous norms, once 20 steps have been accepted.",
              Range{1.0, 1e6}),
        field("rollback_after_steps", &C::rollback_after_steps,
              "Number of consecutive skipped steps after which the weights and the optimizer are rolled back "
              "to the newest checkpoint from before them; the data and the schedule continue.",
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
              "and 0.98 for vision transformers.",
              Range{0.0, 0.999999}),
        field("eps", &C::eps,
              "Added to AdamW's denominator. The reference codes use 1e-8 for ResNets and 1e-6 for vision "
              "transformers.",
              Range{1e-30, 1.0}),
        field("weight_decay", &C::weight_decay,
              "Decoupled weight decay, multiplied by the learning rate at every step. `reference` determines "
              "which tensors are exempt.",
              Range{0.0, 10.0}),
        field("grad_clip_norm", &C::grad_clip_norm,
              "Maximum joint L2 norm of all gradients, which are scaled down to it. Unset: no clipping.",
              Range{1e-12, 1e12}),
        field(
            "ema_decay", &C::ema_decay,
            "Keeps an exponential moving average of the weights with this decay per step, for example 0.9999 "
            "(less in the first steps: (1 + step) / (10 + step)). Evaluations and the weights in checkpoints "
            "use the average; a learned beta is not averaged. Unset: no average.",
            Range{0.0, 0.9999999}),
        field("image", &C::image, "Settings of the image tower."),
        field("text", &C::text, "Settings of the text tower."),
        field("spike_guard", &C::spike_guard, "Skipping of harmful steps."));
  }

  /// Throws UserError if both towers are frozen, or a tower's learning rate cannot follow the schedule.
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
  std::optional<std::int64_t> image_end_step = std::nullopt;
  std::int64_t text_start_step = 0;
  std::optional<std::int64_t> text_end_step = std::nullopt;

  static constexpr auto fields() {
    using C = ScheduleConfig;
    return std::tuple(
        field("kind", &C::kind,
              "After warm-up: cosine decays to 0 at the last step, cosine_restarts does so several times, "
              "constant stays at the peak, constant_cooldown stays at the peak and decays at the end."),
        field("warmup_steps", &C::warmup_steps,
              "Optimizer steps over which the learning rate rises linearly to its peak.", Range{0, 1e9}),
        field("restart_cycles", &C::restart_cycles,
              "For cosine_restarts: how many times the learning rate decays from its peak to 0.",
              Range{1, 1e6}),
        field("cooldown_steps", &C::cooldown_steps,
              "For constant_cooldown: optimizer steps at the end over which the learning rate decays.",
              Range{0, 1e9}),
        field("cooldown_end_lr", &C::cooldown_end_lr,
              "For constant_cooldown: the learning rate at the end of the cooldown.", Range{0.0, 10.0}),
        field("cooldown_power", &C::cooldown_power,
              "For constant_cooldown: exponent of the remaining fraction of the cooldown; 1 decays linearly.",
              Range{1e-3, 100.0}),
        field(
            "image_end_step", &C::image_end_step,
            "The step at which the image tower stops learning: its learning rate follows the schedule of a run of that "
            "length and is 0 afterwards, while batch norms still update their running statistics. Unset: at the end of "
            "the run.",
            Range{1, 1e12}),
        field(
            "text_start_step", &C::text_start_step,
            "The step from which everything but the image tower learns (text tower, projection heads, temperatures): the "
            "learning rate is 0 before, then warm-up and schedule begin.",
            Range{0, 1e12}),
        field(
            "text_end_step", &C::text_end_step,
            "The step at which everything but the image tower stops learning, where its schedule ends; the learning rate "
            "is 0 afterwards. Unset: at the end of the run.",
            Range{1, 1e12}));
  }

  /// Throws UserError if constant_cooldown has no cooldown steps, a tower has no steps after its warm-up, or
  /// nothing is trained between the end of one and the start of the other.
  void validate() const;
};
static_assert(lists_every_member<ScheduleConfig>);

/// Settings that differ from their defaults but belong to another `schedule.kind`, each with the reason.
std::vector<std::string> settings_without_effect(const ScheduleConfig& schedule);
/// Settings that differ from their defaults but belong to a disabled feature, each with the reason.
std::vector<std::string> settings_without_effect(const OptimizerConfig& optimizer);

}  // namespace cloob

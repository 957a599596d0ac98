#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// The contrastive loss.
enum class LossKind { info_nce, info_loob };

template <>
struct EnumNames<LossKind> {
  static constexpr std::array<std::pair<std::string_view, LossKind>, 2> names = {
      {{"info_nce", LossKind::info_nce}, {"info_loob", LossKind::info_loob}}};
};

/// Section `loss`. The defaults are CLIP's, as open_clip has them.
struct LossConfig {
  LossKind kind = LossKind::info_nce;
  double inv_tau = 1.0 / 0.07;
  bool learn_inv_tau = true;
  double inv_tau_min = 1.0;
  double inv_tau_max = 100.0;
  std::int64_t tile_size = 0;

  static constexpr auto fields() {
    using C = LossConfig;
    return std::tuple(
        field("kind", &C::kind,
              "info_nce is CLIP's loss, the mean of both directions; info_loob leaves the matching pair out "
              "of the "
              "denominator, is divided by inv_tau and sums both directions, as CLOOB does."),
        field("inv_tau", &C::inv_tau,
              "Inverse temperature: what cosine similarities are multiplied by, at the start of training or, "
              "where it is not "
              "learned, throughout. CLIP starts from 1 / 0.07; CLOOB's recipe for Conceptual Captions keeps "
              "30.",
              Range{1e-2, 1e4}),
        field("learn_inv_tau", &C::learn_inv_tau,
              "Whether inv_tau is learned, in log space. CLIP learns it, CLOOB keeps it fixed."),
        field("inv_tau_min", &C::inv_tau_min, "Lower bound of inv_tau, applied after every optimizer step.",
              Range{1e-2, 1e4}),
        field("inv_tau_max", &C::inv_tau_max, "Upper bound of inv_tau, applied after every optimizer step.",
              Range{1e-2, 1e4}),
        field("tile_size", &C::tile_size,
              "Similarities of loss and retrieval are computed in squares of so many rows and columns, so "
              "that no "
              "matrix of all pairs is held; 0 takes 1024, or less where memory is short. It changes rounding "
              "and "
              "speed, nothing else.",
              Range{0, 1e6}));
  }

  /// Throws UserError unless inv_tau_min <= inv_tau <= inv_tau_max.
  void validate() const;
};
static_assert(lists_every_member<LossConfig>);

}  // namespace cloob

#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// The contrastive loss.
enum class LossKind { info_nce, info_loob, sigmoid };

template <>
struct EnumNames<LossKind> {
  static constexpr std::array<std::pair<std::string_view, LossKind>, 3> names = {
      {{"info_nce", LossKind::info_nce}, {"info_loob", LossKind::info_loob}, {"sigmoid", LossKind::sigmoid}}};
};

/// Section `loss`. The defaults are CLIP's, as in open_clip.
struct LossConfig {
  LossKind kind = LossKind::info_nce;
  double inv_tau = 1.0 / 0.07;
  bool learn_inv_tau = true;
  double inv_tau_min = 1.0;
  double inv_tau_max = 100.0;
  double logit_bias = -10.0;
  std::int64_t tile_size = 0;

  static constexpr auto fields() {
    using C = LossConfig;
    return std::tuple(
        field(
            "kind", &C::kind,
            "info_nce is CLIP's loss, the mean of both directions; info_loob excludes the matching pair "
            "from the denominator, is divided by inv_tau and sums both directions, as in CLOOB; sigmoid is SigLIP's, which decides for every "
            "image with every text whether they are a pair, with a learned logit_bias."),
        field("inv_tau", &C::inv_tau,
              "Inverse temperature: the factor on cosine similarities, at the start of training or, if it is "
              "not learned, throughout. CLIP starts from 1 / 0.07; CLOOB's recipe for Conceptual Captions "
              "fixes it at 30; with loss.kind sigmoid it starts from 10 unless it is set.",
              Range{1e-2, 1e4}),
        field(
            "learn_inv_tau", &C::learn_inv_tau,
            "Whether inv_tau is learned, in log space. It is learned in CLIP and SigLIP and fixed in CLOOB."),
        field("inv_tau_min", &C::inv_tau_min, "Lower bound of inv_tau, applied after every optimizer step.",
              Range{1e-2, 1e4}),
        field("inv_tau_max", &C::inv_tau_max, "Upper bound of inv_tau, applied after every optimizer step.",
              Range{1e-2, 1e4}),
        field(
            "logit_bias", &C::logit_bias,
            "With loss.kind sigmoid: what is added to the scaled similarities, at the start of training; it is "
            "learned. Far below zero, since hardly any image and text are a pair.",
            Range{-100, 100}),
        field("tile_size", &C::tile_size,
              "Loss and retrieval compute similarities in square tiles of this many rows and columns, so "
              "that the matrix of all pairs is never materialized; 0 means 1024, or less if memory is short. "
              "Affects only rounding and speed.",
              Range{0, 1e6}));
  }

  /// Throws UserError unless inv_tau_min <= inv_tau <= inv_tau_max.
  void validate() const;
};
static_assert(lists_every_member<LossConfig>);

}  // namespace cloob

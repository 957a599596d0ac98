#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// The retrieval between the features and the loss.
enum class RetrievalKind { none, hopfield };

template <>
struct EnumNames<RetrievalKind> {
  static constexpr std::array<std::pair<std::string_view, RetrievalKind>, 2> names = {
      {{"none", RetrievalKind::none}, {"hopfield", RetrievalKind::hopfield}}};
};

/// Section `retrieval`.
struct RetrievalConfig {
  RetrievalKind kind = RetrievalKind::none;
  double beta = 8.0;
  bool learn_beta = false;
  std::int64_t update_steps = 1;
  std::int64_t warmup_steps = 0;

  static constexpr auto fields() {
    using C = RetrievalConfig;
    return std::tuple(
        field("kind", &C::kind,
              "none compares the features themselves (CLIP, InfoLOOB); hopfield replaces every feature by "
              "the pattern that a modern Hopfield network storing the features of the batch retrieves for it "
              "(CLOOB)."),
        field("beta", &C::beta,
              "Inverse temperature of the retrieval: smaller values average more stored features. CLOOB's "
              "recipe for Conceptual Captions uses 8; the default of its code is 14.3.",
              Range{1e-3, 1e4}),
        field("learn_beta", &C::learn_beta,
              "Whether beta is learned, in log space, starting from the given value."),
        field("update_steps", &C::update_steps,
              "Number of Hopfield updates (softmax averages of the stored patterns) before the result is "
              "normalized. CLOOB uses 1, which hopfield-layers calls update_steps_max=0.",
              Range{1, 100}),
        field("warmup_steps", &C::warmup_steps,
              "Optimizer steps over which the loss input is blended linearly from the feature to the "
              "retrieved pattern. 0 is as published; a few hundred steps help on small data, where initial "
              "features are so close together that retrieval makes them all the same.",
              Range{0, 1e9}));
  }
};
static_assert(lists_every_member<RetrievalConfig>);

}  // namespace cloob

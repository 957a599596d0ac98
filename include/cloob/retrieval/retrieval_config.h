#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// What stands between the features and the loss.
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
              "what a modern "
              "Hopfield network, filled with the features of the batch, retrieves for it (CLOOB)."),
        field("beta", &C::beta,
              "Inverse temperature of the retrieval: the smaller, the more stored features are averaged. "
              "CLOOB's recipe for "
              "Conceptual Captions uses 8; its code's own default is 14.3.",
              Range{1e-3, 1e4}),
        field("learn_beta", &C::learn_beta,
              "Whether beta is learned, starting from the value given, in log space."),
        field("update_steps", &C::update_steps,
              "How often a pattern is replaced by the softmax average of the stored ones before the result "
              "is normalised. "
              "CLOOB uses 1, which hopfield-layers calls update_steps_max=0.",
              Range{1, 100}),
        field("warmup_steps", &C::warmup_steps,
              "Optimizer steps over which the retrieved pattern is blended in, linearly from the feature "
              "itself. 0 is as "
              "published; a few hundred steps help on small data, where fresh features lie so close together "
              "that "
              "retrieval makes them all the same.",
              Range{0, 1e9}));
  }
};
static_assert(lists_every_member<RetrievalConfig>);

}  // namespace cloob

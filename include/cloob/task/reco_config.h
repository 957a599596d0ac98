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
#include "cloob/config/origins.h"
#include "cloob/model/fusion.h"

namespace cloob {

template <>
struct EnumNames<FusionKind> {
  static constexpr std::array<std::pair<std::string_view, FusionKind>, 3> names = {
      {{"transformer", FusionKind::transformer}, {"mean", FusionKind::mean}, {"mlp", FusionKind::mlp}}};
};

/// Which modality, seen from that of a query.
enum class RelativeModality { same, other };
template <>
struct EnumNames<RelativeModality> {
  static constexpr std::array<std::pair<std::string_view, RelativeModality>, 2> names = {
      {{"same", RelativeModality::same}, {"other", RelativeModality::other}}};
};

/// Which features are refined when a model is evaluated.
enum class RefinedSides { both, images, texts, none };
template <>
struct EnumNames<RefinedSides> {
  static constexpr std::array<std::pair<std::string_view, RefinedSides>, 4> names = {
      {{"both", RefinedSides::both},
       {"images", RefinedSides::images},
       {"texts", RefinedSides::texts},
       {"none", RefinedSides::none}}};
};

/// When the prompts of a class are refined: each of them, or their mean.
enum class PromptRefinement { each, mean };
template <>
struct EnumNames<PromptRefinement> {
  static constexpr std::array<std::pair<std::string_view, PromptRefinement>, 2> names = {
      {{"each", PromptRefinement::each}, {"mean", PromptRefinement::mean}}};
};

/// Section `reco`: retrieval from a memory and its fusion (Iscen et al., "Retrieval-Enhanced Contrastive Vision-Text Models").
/// There is no public code; where the paper is silent the defaults are choices of this program.
struct RecoConfig {
  std::optional<std::string> memory = std::nullopt;
  std::optional<std::string> evaluation_memory = std::nullopt;
  std::optional<std::string> cache = std::nullopt;
  std::int64_t k = 10;
  RelativeModality search = RelativeModality::same;
  RelativeModality fuse = RelativeModality::other;
  FusionKind fusion = FusionKind::transformer;
  std::int64_t layers = 1;
  std::optional<std::int64_t> heads = std::nullopt;
  double mlp_ratio = 4;
  bool type_embedding = true;
  bool share_fusion = false;
  double mean_weight = 0.5;
  double exclude_similarity = 0.95;
  RefinedSides refine = RefinedSides::both;
  PromptRefinement refine_prompts = PromptRefinement::each;

  static constexpr auto fields() {
    using C = RecoConfig;
    return std::tuple(
        field(
            "memory", &C::memory,
            "Folder of the memory, which `cloob memory build` makes with the model of train.initial_weights."),
        field(
            "evaluation_memory", &C::evaluation_memory,
            "Folder of another memory of the same model, from which evaluations retrieve: an enlarged one, or one of other "
            "things. Unset: that of training. Commands that evaluate take any (--memory)."),
        field(
            "cache", &C::cache,
            "Folder to keep the features of training samples and what they retrieve, 8 bytes for each sample and dimension and "
            "16 k for each sample, for runs that are resumed and for others with the same model, data and memory. Unset: they are "
            "computed at every start."),
        field("k", &C::k, "Pairs that are retrieved for an image or a text.", Range{1, 1024}),
        field(
            "search", &C::search,
            "What a query is compared with: the features of its own modality (same: images with images, the "
            "paper's) or of the other one."),
        field(
            "fuse", &C::fuse,
            "Which features of the retrieved pairs are fused: those of the other modality than the query's (the "
            "paper's) or of the same."),
        field(
            "fusion", &C::fusion,
            "How a query and what was retrieved for it are fused. transformer: learned. mean: a weighted mean, not "
            "learned. mlp: the control, as many parameters and no memory."),
        field("layers", &C::layers, "Blocks of the transformer.", Range{1, 64}),
        field("heads", &C::heads,
              "Attention heads of the transformer. Unset: one for 64 dimensions, at least one.",
              Range{1, 1024}),
        field("mlp_ratio", &C::mlp_ratio, "Width of the transformer's MLP, relative to that of the features.",
              Range{0.0625, 64.0}),
        field(
            "type_embedding", &C::type_embedding,
            "Whether the transformer adds a learned vector to queries, and another one to what was retrieved."),
        field("share_fusion", &C::share_fusion, "Whether images and texts have the same fusion."),
        field("mean_weight", &C::mean_weight, "With fusion mean: the weight of what was retrieved.",
              Range{0.0, 1.0}),
        field(
            "exclude_similarity", &C::exclude_similarity,
            "In training a pair does not retrieve itself (the same key), nor pairs whose image has at least this cosine "
            "similarity with its image or whose text has with its text: they would tell the answer. Above 1: all but itself, "
            "for a memory that shares no images with the training data.",
            Range{0.0, 2.0}),
        field("refine", &C::refine, "Which features are refined when the model is evaluated."),
        field("refine_prompts", &C::refine_prompts,
              "Whether each prompt of a class is refined, or only the mean of them."));
  }

  /// Heads for features of `dims` dimensions. Throws UserError if they cannot be divided.
  std::int64_t heads_of(std::int64_t dims) const;
};
static_assert(lists_every_member<RecoConfig>);

/// Those that were set and that the fusion does not use, with the reason.
std::vector<std::string> settings_without_effect(const RecoConfig& config, const Origins& origins);

}  // namespace cloob

#include "cloob/prepare/rare_shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "prepare/shape_drawing.h"
#include "prepare/shape_image.h"

namespace cloob {
namespace {

static_assert(kMaxRareNames ==
              kColorNames.size() * kShapeNames.size() * kToneNames.size() * kBackgroundNames.size());

// Parts of the keys of random streams, apart from the values of ShapesSplit.
constexpr std::uint64_t kEntities = 100;
constexpr std::uint64_t kFirstSplit = 101;

template <typename T>
void shuffle(std::vector<T>& items, RandomStream& stream) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[stream.below(i)]);
}

// Two syllables of three letters. The last letters are such that hardly any is an English word.
std::string draw_name(RandomStream& stream) {
  constexpr std::array<std::string_view, 6> kLetters{"bdfgkmnptvwz", "aeiou", "blmnrx",
                                                     "bdfgkptvz",    "aeiou", "bgkvz"};
  std::string name;
  for (const std::string_view letters : kLetters) name += letters[stream.below(letters.size())];
  return name;
}

bool resemble(std::string_view a, std::string_view b) {
  const int different =
      std::inner_product(a.begin(), a.end(), b.begin(), 0, std::plus<>(), std::not_equal_to<>());
  return different < 3;
}

std::string draw_new_name(const std::vector<RareEntity>& entities, RandomStream& stream) {
  for (;;) {
    std::string name = draw_name(stream);
    const auto resembles = [&](const RareEntity& entity) { return resemble(entity.name, name); };
    if (std::ranges::none_of(entities, resembles)) return name;
  }
}

}  // namespace

std::vector<RareEntity> rare_entities(std::int64_t seed, std::int64_t count) {
  CLOOB_CHECK(count >= 0 && count <= kMaxRareNames, "{} rare entities", count);
  RandomStream stream(RandomUse::synthetic_data, {static_cast<std::uint64_t>(seed), kEntities});
  std::vector<std::size_t> kinds(kMaxRareNames);
  std::iota(kinds.begin(), kinds.end(), 0U);
  shuffle(kinds, stream);
  std::vector<RareEntity> entities;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    std::size_t rest = kinds[i];
    const auto next = [&](std::size_t count_of) { return std::exchange(rest, rest / count_of) % count_of; };
    RareEntity entity{.name = draw_new_name(entities, stream)};
    entity.color = next(kColorNames.size());
    entity.shape = next(kShapeNames.size());
    entity.tone = next(kToneNames.size());
    entity.background = next(kBackgroundNames.size());
    entity.seen = i % 2 == 0;
    entities.push_back(std::move(entity));
  }
  return entities;
}

std::string describe(const RareEntity& entity) {
  ShapeAttributes shown{.kind = {entity.color, entity.shape}};
  shown.tone = entity.tone;
  shown.background = entity.background;
  return fmt::format("{} on a {}", name_of(shown.kind), background_of(shown));
}

ShapeSample render_rare_sample(const ShapesConfig& config, RareSplit split, const RareEntity& entity,
                               std::int64_t index) {
  CLOOB_CHECK(index >= 0, "sample {}", index);
  RandomStream stream(
      RandomUse::synthetic_data,
      {static_cast<std::uint64_t>(config.seed), kFirstSplit + static_cast<std::uint64_t>(split),
       hash_text(entity.name, 0), static_cast<std::uint64_t>(index)});
  ShapeAttributes attributes = draw_attributes({entity.color, entity.shape}, stream);
  attributes.tone = entity.tone;
  attributes.background = entity.background;
  std::vector<std::string> captions;
  for (std::string caption : shape_templates())
    captions.push_back(caption.replace(caption.find("{c}"), 3, entity.name));
  shuffle(captions, stream);
  return {render_shape(attributes, static_cast<int>(config.image_size), stream), std::move(captions),
          entity.name, std::string(kColorNames[entity.color]), std::string(kShapeNames[entity.shape])};
}

}  // namespace cloob

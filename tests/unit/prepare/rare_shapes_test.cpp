#include "cloob/prepare/rare_shapes.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "cloob/base/files.h"
#include "cloob/data/labeled_source.h"
#include "cloob/data/source.h"
#include "cloob/prepare/shapes_dataset.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TempDir;

const ShapesConfig kConfig = {.image_size = 32, .seed = 3};

std::set<std::string> names_of(const std::vector<RareEntity>& entities) {
  std::set<std::string> names;
  for (const RareEntity& entity : entities) names.insert(entity.name);
  return names;
}

TEST(RareShapes, EveryKindHasANameOfItsOwn) {
  const auto entities = rare_entities(0, kMaxRareNames);
  EXPECT_EQ(names_of(entities).size(), 512U);
  std::set<std::tuple<std::size_t, std::size_t, std::size_t, std::size_t>> kinds;
  for (const RareEntity& entity : entities)
    kinds.insert({entity.color, entity.shape, entity.tone, entity.background});
  EXPECT_EQ(kinds.size(), 512U);
  EXPECT_EQ(std::ranges::count_if(entities, &RareEntity::seen), 256);
}

TEST(RareShapes, AreTheFirstOfMoreAndDifferForAnotherSeed) {
  const auto few = rare_entities(7, 10), more = rare_entities(7, 300), other = rare_entities(8, 10);
  for (std::size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(few[i].name, more[i].name);
    EXPECT_EQ(describe(few[i]), describe(more[i]));
    EXPECT_EQ(few[i].seen, more[i].seen);
    EXPECT_NE(few[i].name, other[i].name);
  }
}

// The premise of the set: a model that was trained on the captions of shapes never met a name.
TEST(RareShapes, NamesAreNoWordsOfTheOtherCaptions) {
  std::string text;
  for (std::int64_t i = 0; i < 480; ++i)
    for (const std::string& caption : render_shape_sample({16, 0}, ShapesSplit::train, i).captions)
      text += caption + " ";
  for (const std::string& name : names_of(rare_entities(0, kMaxRareNames))) {
    EXPECT_EQ(text.find(name), std::string::npos) << name;
  }
}

TEST(RareShapes, CaptionsHaveTheNameAndNothingOfWhatIsShown) {
  for (const RareEntity& entity : rare_entities(0, 20)) {
    const ShapeSample sample = render_rare_sample(kConfig, RareSplit::memory, entity, 0);
    EXPECT_EQ(sample.class_name, entity.name);
    EXPECT_THAT(describe(entity), AllOf(HasSubstr(sample.color), HasSubstr(sample.shape)));
    EXPECT_EQ(sample.captions.size(), shape_templates().size());
    for (const std::string& caption : sample.captions) {
      EXPECT_THAT(caption, HasSubstr(entity.name));
      for (const std::string& word : {sample.color, sample.shape, std::string("background")})
        EXPECT_EQ(caption.find(word), std::string::npos) << caption;
    }
  }
}

TEST(RareShapes, SplitsAndNumbersHaveDifferentImages) {
  const RareEntity entity = rare_entities(0, 1).front();
  std::set<std::string> images;
  for (const RareSplit split :
       {RareSplit::memory, RareSplit::train, RareSplit::validation, RareSplit::test}) {
    for (const std::int64_t index : {0, 1}) {
      const auto pixels = render_rare_sample(kConfig, split, entity, index).image.pixels;
      images.emplace(pixels.begin(), pixels.end());
    }
  }
  EXPECT_EQ(images.size(), 8U);
  EXPECT_EQ(render_rare_sample(kConfig, RareSplit::test, entity, 1).image.pixels,
            render_rare_sample(kConfig, RareSplit::test, entity, 1).image.pixels);
}

// Pairs of a folder of shards, by name: the last word of the captions.
std::map<std::string, int> pairs_by_name(const std::filesystem::path& folder) {
  DataConfig config;
  config.webdataset.json_caption_field = "captions";
  const auto source = make_source(config, {(folder / "*.tar").string()}, Purpose::training);
  std::map<std::string, int> counts;
  for (std::int64_t i = 0; i < source->size(); ++i) {
    const std::string caption = source->read(i).captions.at(0);
    ++counts[caption.substr(caption.rfind(' ') + 1)];
  }
  return counts;
}

// Images of a folder of classes, by name.
std::map<std::string, int> images_by_name(const std::filesystem::path& folder) {
  const auto source = open_labeled_source(folder, "test", 1);
  const auto names = read_nonempty_lines(source->names_file().value());
  std::map<std::string, int> counts;
  for (std::int64_t i = 0; i < source->size(); ++i) {
    const std::string& name = names[static_cast<std::size_t>(source->label(i))];
    EXPECT_EQ(std::filesystem::path(source->describe(i)).parent_path().filename(), name);
    ++counts[name];
  }
  EXPECT_EQ(read_nonempty_lines(source->templates_file().value()), shape_templates());
  return counts;
}

TEST(RareShapes, AreWrittenForMemoryTrainingAndTest) {
  const TempDir folder;
  write_shapes_dataset(
      folder.path(), kConfig,
      {.samples_per_shard = 7, .rare = {.num_names = 6, .num_memory = 2, .num_train = 3, .num_test = 4}}, 2);
  const auto entities = rare_entities(kConfig.seed, 6);
  std::map<std::string, int> all, seen, unseen;
  for (const RareEntity& entity : entities) {
    all[entity.name] = 1;
    (entity.seen ? seen : unseen)[entity.name] = 1;
  }
  const auto times = [](std::map<std::string, int> counts, int factor) {
    for (auto& [name, count] : counts) count *= factor;
    return counts;
  };
  const std::filesystem::path rare = folder / "rare";
  EXPECT_EQ(pairs_by_name(rare / "memory"), times(all, 2));
  EXPECT_EQ(pairs_by_name(rare / "train"), times(seen, 3));
  EXPECT_EQ(pairs_by_name(rare / "validation"), times(seen, 4));
  EXPECT_EQ(images_by_name(rare / "test" / "all"), times(all, 4));
  EXPECT_EQ(images_by_name(rare / "test" / "seen"), times(seen, 4));
  EXPECT_EQ(images_by_name(rare / "test" / "unseen"), times(unseen, 4));
  const auto seen_names = read_nonempty_lines(rare / "test" / "all" / "seen_names.txt");
  EXPECT_EQ(std::set<std::string>(seen_names.begin(), seen_names.end()).size(), seen.size());
  for (const std::string& name : seen_names) EXPECT_TRUE(seen.contains(name)) << name;
  const auto table = read_nonempty_lines(rare / "entities.tsv");
  ASSERT_EQ(table.size(), 7U);
  EXPECT_EQ(table[1], entities[0].name + "\tyes\t" + describe(entities[0]));
}

}  // namespace
}  // namespace cloob

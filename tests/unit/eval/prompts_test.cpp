#include "cloob/eval/prompts.h"

#include <filesystem>

#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/data/labeled_source.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

class Prompts : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& content) const {
    write_file_atomically(folder_ / name, content);
    return (folder_ / name).string();
  }

  testing::TempDir folder_;
};

TEST_F(Prompts, ClassNamesAreTheLinesOfAFile) {
  EXPECT_THAT(load_class_names(file("names.txt", "tench\r\n great white shark\nsea lion\n\n")),
              ElementsAre("tench", "great white shark", "sea lion"));
}

TEST_F(Prompts, AnEmptyLineAmongClassNamesIsAnError) {
  testing::expect_user_error([&] { load_class_names(file("names.txt", "a\n\nb\n")); },
                             {"names.txt:2", "empty"});
  testing::expect_user_error([&] { load_class_names(file("names.txt", "\n")); },
                             {"names.txt", "no class names"});
}

TEST_F(Prompts, JsonHoldsOneListOrListsByDataSet) {
  EXPECT_THAT(load_class_names(file("one.json", R"(["a", "\u00e9"])")), ElementsAre("a", "\xc3\xa9"));
  const std::string many =
      file("many.json", R"({"pets": ["cat", "dog"], "cars": ["bmw"], "odd": {"cat": ["x"]}})");
  EXPECT_THAT(load_class_names(many + ":pets"), ElementsAre("cat", "dog"));
  testing::expect_user_error([&] { load_class_names(many + ":pet"); },
                             {"'pet'", "did you mean 'pets'?", "pets, cars"});
  testing::expect_user_error([&] { load_class_names(many); }, {"say which one", "many.json:NAME"});
  testing::expect_user_error([&] { load_class_names(many + ":odd"); }, {"many.json:odd", "list of strings"});
  testing::expect_user_error([&] { load_class_names(file("one.json", "[\"a\"]") + ":x"); },
                             {"leave out ':x'"});
  testing::expect_user_error([&] { load_class_names(file("bad.json", "[1]")); }, {"bad.json[0]", "found 1"});
  testing::expect_user_error([&] { load_class_names(file("bad.json", "nonsense")); },
                             {"bad.json is not JSON (byte 2)"});
}

TEST_F(Prompts, ABareNameIsADataSetOfClipBenchmark) {
  const std::vector<std::string> names = load_class_names("imagenet1k");
  ASSERT_EQ(names.size(), 1000U);
  EXPECT_EQ(names.front(), "tench");
  EXPECT_EQ(names.back(), "toilet paper");
  EXPECT_EQ(load_templates("imagenet1k").size(), 80U);
  EXPECT_EQ(load_templates("cifar10").size(), 18U);
  testing::expect_user_error([] { load_templates("cifar-10"); }, {"'cifar-10'", "did you mean 'cifar10'?"});
  testing::expect_user_error([] { load_class_names("no/such/file"); }, {"no/such/file", "No such file"});
}

TEST_F(Prompts, TemplatesAreTheLinesOfAFileWithAPlaceholderEach) {
  EXPECT_THAT(load_templates(file("t.txt", "a photo of a {c}.\n\nart of the {}\n")),
              ElementsAre("a photo of a {c}.", "art of the {}"));
  testing::expect_user_error([&] { load_templates(file("t.txt", "a {c}\n\na photo\n")); },
                             {"t.txt:3", "'a photo'", "{c}"});
  testing::expect_user_error([&] { load_templates(file("t.txt", "a {c} {d}\n")); },
                             {"t.txt:1", "no other braces"});
  testing::expect_user_error([&] { load_templates(file("t.txt", "\n")); }, {"no templates"});
}

TEST_F(Prompts, ATemplateInPlaceOfAFileIsNamed) {
  testing::expect_user_error([] { load_templates("a photo of a {c}"); },
                             {"'a photo of a {c}' is a template itself", "one per line"});
}

TEST_F(Prompts, EveryPlaceholderIsFilled) {
  EXPECT_EQ(fill_template("a {c}, a type of {}.", "cat"), "a cat, a type of cat.");
  EXPECT_EQ(fill_template("{c}", "{c} {}"), "{c} {}");  // inserted text is not expanded again
}

// A data set of one folder per class.
class ZeroShotPromptsTest : public Prompts {
 protected:
  void add_classes(const std::vector<std::string>& folders) const {
    for (const std::string& folder : folders) {
      std::filesystem::create_directories(folder_ / "data" / folder);
      file("data/" + folder + "/1.jpg", "image");
    }
  }
  ZeroShotPrompts prompts(const std::optional<std::string>& names = std::nullopt,
                          const std::optional<std::string>& templates = std::nullopt) const {
    return zero_shot_prompts(*open_labeled_source(folder_ / "data", "test", 1), names, templates);
  }
};

TEST_F(ZeroShotPromptsTest, AreMadeOfTheFoldersByDefault) {
  add_classes({"red_circle", "blue"});
  const ZeroShotPrompts made = prompts();
  EXPECT_THAT(made.class_names, ElementsAre("blue", "red circle"));
  EXPECT_THAT(made.class_folders, ElementsAre("blue", "red_circle"));
  EXPECT_THAT(made.templates, ElementsAre("a photo of a {c}."));
  EXPECT_EQ(describe(made),
            "2 classes, 'blue' to 'red circle', names from the folders; 1 prompt from the default, the first "
            "'a photo of a {c}.'");
}

TEST_F(ZeroShotPromptsTest, OptionsWinOverFilesOfTheData) {
  add_classes({"0", "1"});
  const std::string names = file("data/classnames.txt", "cat\ndog\n");
  file("data/templates.txt", "a {c}\n\nthe {c}\n");
  EXPECT_THAT(prompts().class_names, ElementsAre("cat", "dog"));
  EXPECT_EQ(prompts().names_from, names);
  EXPECT_THAT(prompts().templates, ElementsAre("a {c}", "the {c}"));
  const ZeroShotPrompts other = prompts(file("names.txt", "lion\nwolf\n"), file("t.txt", "one {c}\n"));
  EXPECT_THAT(other.class_names, ElementsAre("lion", "wolf"));
  EXPECT_THAT(other.templates, ElementsAre("one {c}"));
}

TEST_F(ZeroShotPromptsTest, NeedOneNamePerFolder) {
  add_classes({"0", "1", "2"});
  for (const std::string content : {"cat\n\ndog\nfox\n", "cat\ndog\n\nfox\n\n"}) {
    file("data/classnames.txt", content);
    testing::expect_user_error([&] { prompts(); }, {"classnames.txt:", "the name is empty"});
    testing::expect_user_error([&] { prompts(file("names.txt", content)); }, {"names.txt:", "empty"});
  }
  testing::expect_user_error([&] { prompts(file("names.json", R"(["a", "", "b"])")); },
                             {"names.json[1]", "the name is empty"});
  testing::expect_user_error([&] { prompts(file("names.txt", "cat\ndog\n")); },
                             {"2 class names", "3 folders", "in the order of the folders"});
}

TEST_F(ZeroShotPromptsTest, MatchAFileWithTheFoldersNamesByName) {
  add_classes({"Red_Circle", "blue", "green"});
  set_log_level(LogLevel::warning);
  ::testing::internal::CaptureStderr();
  const ZeroShotPrompts made = prompts(file("names.txt", "green\nred circle\nblue\n"));
  EXPECT_THAT(made.class_names, ElementsAre("red circle", "blue", "green"));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("in another order"));
}

// Folders in the order of the alphabet, and a list in that of clip-benchmark's labels, with one name spelled otherwise.
TEST_F(ZeroShotPromptsTest, RejectNamesInAnotherOrderThanTheFolders) {
  add_classes({"aster", "rose", "water_lily"});
  testing::expect_user_error([&] { prompts(file("names.txt", "waterlily\naster\nrose\n")); },
                             {"names.txt", "would call the folder 'aster' 'waterlily'", "'rose' 'aster'",
                              "in the order of the folders"});
  EXPECT_THAT(prompts(file("names.txt", "aster flower\nrose\nwaterlily\n")).class_names,
              ElementsAre("aster flower", "rose", "waterlily"));
}

TEST_F(ZeroShotPromptsTest, TakeNamesAndPromptsOfImageNetForItsWordNetIds) {
  add_classes(
      {"n15075141", "n01440764", "n01498041"});  // as ImageNet-A and ImageNet-R, a part of the classes
  const ZeroShotPrompts made = prompts();
  EXPECT_THAT(made.class_names, ElementsAre("tench", "stingray", "toilet paper"));
  EXPECT_EQ(made.templates, load_templates("imagenet1k"));
  EXPECT_EQ(made.names_from, "the WordNet ids of ImageNet");
  EXPECT_THAT(prompts(file("names.txt", "a\nb\nc\n")).templates, ElementsAre("a photo of a {c}."));
  testing::expect_user_error([&] { prompts("imagenet1k"); },
                             {"1000 class names", "3 folders", "WordNet ids"});
  add_classes({"n00000001"});
  testing::expect_user_error([&] { prompts(); }, {"'n00000001'", "none of ImageNet's 1,000", "in a file"});
}

TEST_F(ZeroShotPromptsTest, SayWhichClassesWereSeen) {
  add_classes({"cat", "dog", "fox"});
  EXPECT_TRUE(prompts().is_seen.empty());
  const std::string of_data = file("data/seen_names.txt", "fox\n");
  EXPECT_EQ(prompts().is_seen, (std::vector<bool>{false, false, true}));
  EXPECT_EQ(prompts().seen_from, of_data);
  ZeroShotPrompts made = prompts();
  set_seen_classes(made, file("seen.txt", "dog\ncat\n"));
  EXPECT_EQ(made.is_seen, (std::vector<bool>{true, true, false}));
  testing::expect_user_error([&] { set_seen_classes(made, file("seen.txt", "cat\nfix\n")); },
                             {"seen.txt' has the name 'fix', which no class has, did you mean 'fox'?"});
  testing::expect_user_error([&] { set_seen_classes(made, file("seen.txt", "cat\ndog\nfox\n")); },
                             {"the names of all classes: then none is unseen"});
}

// The layouts are tested with the sources.
TEST_F(ZeroShotPromptsTest, OfPublishedSetsAreTheirNamesAndTemplates) {
  std::filesystem::create_directories(folder_ / "data/images");
  file("data/classes.txt", "1 001.Black_footed_Albatross\n2 002.Blue_Jay\n");
  file("data/images.txt", "1 001.Black_footed_Albatross/a.jpg\n");
  file("data/image_class_labels.txt", "1 1\n");
  file("data/train_test_split.txt", "1 0\n");
  const ZeroShotPrompts birds = prompts();
  EXPECT_THAT(birds.class_names, ElementsAre("Black footed Albatross", "Blue Jay"));
  EXPECT_THAT(birds.templates, ElementsAre("a photo of a {c}, a type of bird."));
  EXPECT_EQ(prompts(std::nullopt, "cars").templates.front(), "a photo of a {c}.");
  std::filesystem::remove_all(folder_ / "data");
  std::filesystem::copy(testing::golden_path("fine_grained/scipy/stanford_cars"), folder_ / "data",
                        std::filesystem::copy_options::recursive);
  std::filesystem::create_directories(folder_ / "data/cars_test");
  const ZeroShotPrompts cars = prompts();
  EXPECT_THAT(cars.class_names, ElementsAre("AM General Hummer SUV 2000", "Acura RL Sedan 2012",
                                            "Ram C/V Cargo Van Minivan 2012"));
  EXPECT_EQ(cars.templates, load_templates("cars"));
  EXPECT_EQ(cars.templates.size(), 8U);
}

}  // namespace
}  // namespace cloob

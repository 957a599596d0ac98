#include "cloob/eval/prompts.h"

#include "cloob/base/files.h"
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
                             {"bad.json", "not a JSON list"});
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

TEST_F(Prompts, EveryPlaceholderIsFilled) {
  EXPECT_EQ(fill_template("a {c}, a type of {}.", "cat"), "a cat, a type of cat.");
  EXPECT_EQ(fill_template("{c}", "{c} {}"), "{c} {}");  // inserted text is not expanded again
  EXPECT_EQ(fill_template(default_templates().at(0), "cat"), "a photo of a cat.");
}

}  // namespace
}  // namespace cloob

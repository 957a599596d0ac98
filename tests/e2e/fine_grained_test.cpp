// Zero-shot classification of data sets in their published folders, and of seen and unseen classes.
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string run(const Words& arguments) {
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 0) << join(arguments, " ") << "\n" << result.errors;
  return result.output;
}

class FineGrained : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    run({"train", "tiny.yaml", "--run-dir", "model", "--train.steps", "4"});
    run({"data", "render-shapes", "names", "--image-size", "40", "--train", "0", "--validation", "0",
         "--held-out", "0", "--rare-names", "6", "--rare-memory", "1", "--rare-train", "1", "--rare-test",
         "2"});
  }
  static Json eval(const std::string& data, const Words& more = {}) {
    Words arguments = {"eval", "zero-shot", "model", "--data", data, "--json", "-"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Json::parse(run(arguments));
  }
  static fs::path image() { return first_file(tiny_project() / "names/rare/test/all"); }

 private:
  static fs::path first_file(const fs::path& folder) {
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.path().extension() == ".png") return entry.path();
    throw std::runtime_error("no image");
  }
};

TEST_F(FineGrained, CubIsReadAsItWasPublished) {
  const fs::path root = tiny_project() / "CUB_200_2011";
  write_text(root / "classes.txt", "1 001.Black_footed_Albatross\n2 002.Blue_Jay\n");
  write_text(root / "images.txt",
             "1 001.Black_footed_Albatross/1.png\n2 002.Blue_Jay/1.png\n3 002.Blue_Jay/2.png\n");
  write_text(root / "image_class_labels.txt", "1 1\n2 2\n3 2\n");
  write_text(root / "train_test_split.txt", "1 0\n2 1\n3 0\n");
  for (const char* name : {"001.Black_footed_Albatross/1.png", "002.Blue_Jay/1.png", "002.Blue_Jay/2.png"}) {
    fs::create_directories((root / "images" / name).parent_path());
    fs::copy(image(), root / "images" / name);
  }
  const Json test = eval("CUB_200_2011");
  EXPECT_EQ(test["num_samples"], 2);
  EXPECT_DOUBLE_EQ(test["acc1"], 0.5) << "the same image under two classes";
  EXPECT_THAT(test["class_names"], ElementsAre("Black footed Albatross", "Blue Jay"));
  EXPECT_THAT(test["templates"], ElementsAre("a photo of a {c}, a type of bird."));
  EXPECT_EQ(eval("CUB_200_2011", {"--split", "train"})["num_samples"], 1);
  const ProgramResult part =
      run_cloob(tiny_project(), {"eval", "zero-shot", "model", "--data", "CUB_200_2011/images"});
  EXPECT_EQ(part.exit_status, 2);
  EXPECT_THAT(part.errors, HasSubstr("is a part of a data set: give the folder"));
}

TEST_F(FineGrained, CarsAreReadAsTheyWerePublished) {
  const fs::path root = tiny_project() / "cars";
  fs::copy(golden_path("fine_grained/matlab"), root, fs::copy_options::recursive);
  for (const char* name : {"00001.jpg", "00002.jpg", "00003.jpg"}) {
    fs::create_directories(root / "stanford_cars/cars_test");
    fs::copy(image(), root / "stanford_cars/cars_test" / name);
  }
  const Json test = eval("cars");
  EXPECT_EQ(test["num_samples"], 3);
  EXPECT_EQ(test["class_names"].size(), 3U);
  EXPECT_EQ(test["templates"].size(), 8U);
  EXPECT_THAT(test["class_names_from"].get<std::string>(), HasSubstr("stanford_cars/devkit/cars_meta.mat"));
}

TEST_F(FineGrained, SeenAndUnseenClassesAreMeasuredApart) {
  const Json all = eval("names/rare/test/all");
  EXPECT_EQ(all["num_seen"], 6);
  EXPECT_EQ(all["num_unseen"], 6);
  const double seen = all["acc1_seen"], unseen = all["acc1_unseen"];
  EXPECT_DOUBLE_EQ(all["acc1"], (seen + unseen) / 2);
  EXPECT_DOUBLE_EQ(all["acc1_harmonic_mean"], seen * unseen == 0 ? 0 : 2 * seen * unseen / (seen + unseen));
  EXPECT_THAT(all["seen_from"].get<std::string>(), HasSubstr("names/rare/test/all/seen_names.txt"));
  EXPECT_FALSE(eval("names/rare/test/unseen").contains("acc1_seen"));
  const std::string name =
      read_nonempty_lines(tiny_project() / "names/rare/test/unseen/classnames.txt").front();
  write_text(tiny_project() / "seen.txt", name + "\n");
  EXPECT_EQ(eval("names/rare/test/unseen", {"--seen", "seen.txt"})["num_seen"], 2);
}

TEST_F(FineGrained, AnOddNumberOfNamesIsRefused) {
  const ProgramResult odd = run_cloob(tiny_project(), {"data", "render-shapes", "odd", "--rare-names", "5"});
  EXPECT_EQ(odd.exit_status, 2);
  EXPECT_THAT(odd.errors, HasSubstr("--rare-names is 5, must be even"));
}

}  // namespace
}  // namespace cloob::testing

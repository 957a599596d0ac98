// `cloob data inspect` on data with faults: its text, JSON and HTML page.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kScript = "<script>alert('a dog')</script> & a cat";

std::vector<fs::path> rendered_images() {
  std::vector<fs::path> images;
  for (const auto& entry : fs::recursive_directory_iterator(tiny_project() / "data/held_out")) {
    if (entry.path().extension() == ".png") images.push_back(entry.path());
  }
  std::ranges::sort(images);
  return images;
}

class InspectData : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    make_shard();
    make_table();
  }

  // Twelve samples: one file that is not an image, one truncated image, one empty caption, one without image.
  static void make_shard() {
    const fs::path folder = tiny_project() / "unpacked";
    fs::create_directory(folder);
    const auto images = rendered_images();
    for (std::size_t i = 0; i < 12; ++i) {
      const std::string key = "sample-" + std::string(1, static_cast<char>('a' + i));
      std::string image = read_file(images.at(i));
      std::string caption = "a shape with the number " + std::to_string(i);
      if (i == 1) image = "not an image";
      if (i == 2) image.resize(image.size() / 2);
      if (i == 3) caption = " \n";
      if (i == 5) caption = kScript;
      if (i == 6) image = read_file(images.at(7));
      if (i == 8) caption = "12";
      if (i == 9) caption = "a shape with the number 10";
      write_file_atomically(folder / (key + ".txt"), caption);
      if (i != 4) write_file_atomically(folder / (key + ".png"), image);
    }
    const std::string command = "tar --sort=name --format=ustar -cf '" +
                                (tiny_project() / "faults.tar").string() + "' -C '" + folder.string() + "' .";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }

  // Six rows: one with a missing image, two with the same image, one too short.
  static void make_table() {
    const auto images = rendered_images();
    const auto name = [&](std::size_t i) { return fs::relative(images.at(i), tiny_project()).string(); };
    write_file_atomically(tiny_project() / "faults.csv",
                          "image;words\n" + name(0) + ";a first shape\n" + name(1) +
                              ";a second shape\nnowhere.png;a lost shape\n" + name(2) + ";a third shape\n" +
                              name(2) + ";again the third\n" + name(3) + "\n");
  }

  static ProgramResult inspect(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"data", "inspect"});
    return run_cloob(tiny_project(), arguments);
  }
  static nlohmann::json json_of(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--json", "-"});
    const ProgramResult result = inspect(arguments);
    EXPECT_EQ(result.exit_status, 0) << result.errors;
    return nlohmann::json::parse(result.output);
  }
};

TEST_F(InspectData, WritesTheNumbersOfAShardAsJson) {
  const nlohmann::json json = json_of({"faults.tar", "--image-size", "40"});
  EXPECT_EQ(json["source"], nlohmann::json({"faults.tar"}));
  EXPECT_EQ(json["num_files"], 1);
  EXPECT_EQ(json["num_samples"], 12);
  EXPECT_EQ(json["num_inspected"], 12);
  EXPECT_EQ(json["num_usable"], 8);
  EXPECT_EQ(json["num_captions"], 8);
  EXPECT_EQ(json["members"], nlohmann::json({{"png,txt", 11}, {"txt", 1}}));
  EXPECT_EQ(json["formats"], nlohmann::json({{"PNG", 8}}));
  for (const auto& [kind, count] : std::map<std::string, int>{{"not_an_image", 1},
                                                              {"damaged_image", 1},
                                                              {"no_caption", 1},
                                                              {"no_image", 1},
                                                              {"missing_file", 0}}) {
    EXPECT_EQ(json["unusable"][kind]["count"], count) << kind;
  }
  EXPECT_EQ(json["unusable"]["no_image"]["examples"][0]["place"], "faults.tar, sample 4");
  const nlohmann::json& suspicious = json["suspicious"];
  EXPECT_EQ(suspicious["repeated_picture"]["count"], 1);
  EXPECT_EQ(suspicious["repeated_picture"]["of"], 8);
  EXPECT_EQ(suspicious["no_letters"]["count"], 1);
  EXPECT_EQ(suspicious["no_letters"]["examples"][0]["detail"], "'12'");
  EXPECT_EQ(suspicious["repeated_caption"]["count"], 1);
  EXPECT_EQ(suspicious["small_image"]["count"], 0);
  EXPECT_EQ(json_of({"faults.tar"})["suspicious"]["small_image"]["count"], 8);  // 40 pixels, not 224
  EXPECT_EQ(json["measures"]["image_width"]["max"], 40);
  EXPECT_EQ(json["measures"]["caption_words"]["median"], 6);
  EXPECT_EQ(json["frequent_captions"][0]["caption"], "a shape with the number 10");
  EXPECT_EQ(json["frequent_captions"][0]["count"], 2);
}

TEST_F(InspectData, AcceptsTheDataSettingsOfTraining) {
  const std::vector<std::string> table = {"faults.csv",
                                          "--data.csv.filepath_column=image",
                                          "--data.csv.caption_columns",
                                          "words",
                                          "--data.csv.separator",
                                          ";"};
  const nlohmann::json rows = json_of(table);
  EXPECT_EQ(rows["num_samples"], 6);
  EXPECT_EQ(rows["num_usable"], 4);
  EXPECT_EQ(rows["unusable"]["missing_file"]["count"], 1);
  EXPECT_EQ(rows["unusable"]["malformed_row"]["count"], 1);
  EXPECT_EQ(rows["suspicious"]["repeated_key"]["count"], 1);
  EXPECT_EQ(rows["suspicious"]["repeated_picture"]["count"], 0);

  std::vector<std::string> grouped = table;
  grouped.insert(grouped.end(), {"--data.csv.group_captions", "true"});
  EXPECT_EQ(json_of(grouped)["measures"]["captions_per_sample"]["max"], 2);

  const ProgramResult typo = inspect({"faults.csv", "--data.csv.separater", ";"});
  EXPECT_EQ(typo.exit_status, 2);
  EXPECT_THAT(typo.errors, HasSubstr("did you mean 'data.csv.separator'?"));
  const ProgramResult train = inspect({"faults.csv", "--data.train", "x.csv"});
  EXPECT_EQ(train.exit_status, 2);
  EXPECT_THAT(train.errors, HasSubstr("--data.train is for 'cloob train'"));

  const nlohmann::json both = json_of({"data/train/00000.tar", "data/train/00001.tar", "--limit", "10",
                                       "--data.webdataset.json_caption_field", "captions", "--threads", "2"});
  EXPECT_EQ(both["num_files"], 2);
  EXPECT_EQ(both["num_samples"], 80);
  EXPECT_EQ(both["num_inspected"], 10);
  EXPECT_EQ(both["num_captions"], 50);
}

TEST_F(InspectData, PrintsWhatIsWrongWhereAndWhatToDo) {
  const ProgramResult result = inspect({"faults.tar", "--json", "numbers.json"});
  EXPECT_EQ(result.exit_status, 0) << result.errors;
  EXPECT_THAT(
      result.output,
      AllOf(HasSubstr("1 of 12 samples (8.3 %) are unusable: no image\n    faults.tar, sample 4"),
            HasSubstr("8 of 8 images (100.0 %) have a side below the training size of 224 pixels"),
            HasSubstr("    faults.tar, sample 8: '12'\n    -> "),
            HasSubstr("Training would stop: 33.3 % of the samples are unusable, data.max_bad_share is 0.01."),
            HasSubstr("All samples were inspected.")));
  EXPECT_THAT(inspect({"faults.tar", "--data.max_bad_share", "0.4"}).output, Not(HasSubstr("would stop")));
  EXPECT_EQ(nlohmann::json::parse(read_file(tiny_project() / "numbers.json"))["num_usable"], 8);
  EXPECT_THAT(inspect({"faults.tar", "--limit", "5"}).output,
              HasSubstr("5 of 12 samples, evenly spread, were inspected"));
}

TEST_F(InspectData, EscapesCaptionsInThePage) {
  const ProgramResult result = inspect({"faults.tar", "--html", "page.html", "--json", "-"});
  EXPECT_EQ(result.exit_status, 0) << result.errors;
  const std::string page = read_file(tiny_project() / "page.html");
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert('a dog')&lt;/script&gt; &amp; a cat"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  for (const char* outside : {"http:", "https:", "<link", "url("}) EXPECT_THAT(page, Not(HasSubstr(outside)));
  EXPECT_THAT(page, AllOf(HasSubstr("src=\"data:image/jpeg;base64,"), HasSubstr("<svg "),
                          HasSubstr("faults.tar, sample 5")));
}

TEST_F(InspectData, NamesUnreadableInputs) {
  write_file_atomically(tiny_project() / "empty.tar", "");
  write_file_atomically(tiny_project() / "no.tar", std::string(2000, 'x'));
  for (const auto& [arguments, part] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"nowhere.tar"}, "nowhere.tar"},
           {{"empty.tar"}, "it is empty"},
           {{"no.tar"}, "not a tar file"},
           {{"data/train"}, "has no .jpg"},
           {{}, "source is required"},
           {{"faults.tar", "--html", "nowhere/page.html"}, "nowhere"},
           {{"faults.tar", "--html", "faults.tar"}, "would be overwritten"},
           {{"faults.tar", "--limit", "-1"}, "--limit"}}) {
    const ProgramResult result = inspect(arguments);
    EXPECT_EQ(result.exit_status, 2) << part;
    EXPECT_THAT(result.errors, AllOf(HasSubstr("error: "), HasSubstr(part)));
  }
}

TEST_F(InspectData, ContinuesAfterABrokenShard) {
  std::string shard = read_file(tiny_project() / "data/train/00000.tar");
  shard.resize(shard.size() / 2 + 100);
  write_file_atomically(tiny_project() / "cut.tar", shard);
  const nlohmann::json json = json_of({"cut.tar", "data/train/00001.tar"});
  EXPECT_EQ(json["unusable"]["broken_shard"]["count"], 1);
  EXPECT_GT(json["num_usable"], 50);
  EXPECT_EQ(json["num_usable"].get<int>() + 1, json["num_inspected"].get<int>());
}

}  // namespace
}  // namespace cloob::testing

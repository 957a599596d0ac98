// cloob memory as a user runs it, with a model that learned next to nothing.

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

ProgramResult run(const Words& arguments) { return run_cloob(tiny_project(), arguments); }

ProgramResult run_well(const Words& arguments) {
  ProgramResult result = run(arguments);
  EXPECT_EQ(result.exit_status, 0) << join(arguments, " ") << ": " << result.errors;
  return result;
}

void expect_error(const Words& arguments, const Words& parts) {
  const ProgramResult result = run(arguments);
  EXPECT_EQ(result.exit_status, 2) << join(arguments, " ") << ": " << result.output << result.errors;
  for (const std::string& part : parts) EXPECT_THAT(result.errors, HasSubstr(part));
  const std::size_t error = result.errors.find("error: ");
  ASSERT_NE(error, std::string::npos) << result.errors;
  EXPECT_EQ(result.errors.find('\n', error), result.errors.size() - 1) << result.errors;
}

// Builds a memory of the 96 training pairs.
Words build(const std::string& out, const Words& more = {}, const std::string& batch = "10",
            const std::string& part = "20") {
  Words arguments = {"memory",
                     "build",
                     "runs/a",
                     "--data",
                     "data/train/*.tar",
                     "--out",
                     out,
                     "--batch-size",
                     batch,
                     "--part-samples",
                     part,
                     "--threads",
                     "1",
                     "--data.webdataset.json_caption_field",
                     "captions"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Words on_two_ranks(const Words& command) {
  Words arguments = {"launch", "--nproc", "2", "--"};
  arguments.insert(arguments.end(), command.begin(), command.end());
  return arguments;
}

nlohmann::json inspect(const std::string& memory) {
  return parse_json(run_well({"memory", "inspect", memory, "--json", "-"}).output);
}

// All files but the header, which says sizes of them.
void expect_same_files(const std::string& a, const std::string& b) {
  for (const auto& entry : fs::directory_iterator(tiny_project() / a)) {
    const std::string name = entry.path().filename().string();
    if (name != "index.json") {
      EXPECT_TRUE(read_file(entry.path()) == read_file(tiny_project() / b / name)) << name;
    }
  }
}

// Of its first entry.
std::string first_key(const std::string& memory) {
  const std::string lines = read_file(tiny_project() / memory / "entries.jsonl");
  return parse_json(lines.substr(0, lines.find('\n')))["key"];
}

class Memory : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (fs::exists(tiny_project() / "whole")) return;
    for (const auto& [name, seed] :
         std::vector<std::pair<std::string, std::string>>{{"runs/a", "1"}, {"runs/b", "2"}})
      run_well(train_arguments(name,
                               {"--train.seed", seed, "--train.steps", "3", "--schedule.warmup_steps", "1"}));
    run_well(build("whole"));
  }
};

TEST_F(Memory, IsTheIndexOfItsPairs) {
  run_well({"index", "runs/a", "--images", "data/train/*.tar", "--texts", "--out", "train.index",
            "--batch-size", "10", "--threads", "1", "--data.webdataset.json_caption_field", "captions"});
  expect_same_files("train.index", "whole");
  EXPECT_FALSE(fs::exists(tiny_project() / "whole.parts"));
  const auto found = inspect("whole");
  EXPECT_EQ(found["entries"], 96);
  EXPECT_EQ(found["removed"], 0);
  EXPECT_EQ(found["kind"], "exact");
  EXPECT_EQ(found["verified"], true);
  EXPECT_EQ(found["sides"], (std::vector<std::string>{"image", "text"}));
  EXPECT_THAT(run_well({"memory", "inspect", "whole"}).output, HasSubstr("encoded by this model"));
}

TEST_F(Memory, OfTwoRanksIsThatOfOne) {
  run_well(on_two_ranks(build("ranks")));
  expect_same_files("whole", "ranks");
  EXPECT_FALSE(fs::exists(tiny_project() / "ranks.parts"));
}

TEST_F(Memory, OfAllCaptionsHasAnEntryForEach) {
  run_well(build("captions", {"--captions", "all"}));
  const auto found = inspect("captions");
  EXPECT_GT(found["entries"].get<int>(), 96);
  EXPECT_EQ(found["images"], inspect("whole")["images"]);
  const auto answer = parse_json(run_well({"search", "captions", "--entry", "1", "--json", "-"}).output);
  EXPECT_EQ(answer["results"][0]["captions"].size(), 1U);
}

// As a machine that goes down: no signal can be caught.
TEST_F(Memory, ThatWasInterruptedIsContinued) {
  BackgroundProgram program(tiny_project(), build("killed", {}, "1"));
  const fs::path parts = tiny_project() / "killed.parts";
  while (program.is_running() && !fs::exists(parts / "part_00002"))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  program.send_signal(SIGKILL);
  EXPECT_EQ(program.wait(), 128 + SIGKILL);
  ASSERT_FALSE(fs::exists(tiny_project() / "killed"));
  const auto time_of = [&](const char* part) { return fs::last_write_time(parts / part / "index.json"); };
  const auto before = time_of("part_00001");
  // Neither of another model, nor of other data, nor with other entries.
  Words other = build("killed");
  other[2] = "runs/b";
  expect_error(other, {"killed.parts", "another build", "model is"});
  other = build("killed");
  other[4] = "data/validation/*.tar";
  expect_error(other, {"killed.parts", "another build", "samples is 96", "32"});
  expect_error(build("killed", {"--captions", "all"}), {"killed.parts", "every caption"});
  EXPECT_EQ(time_of("part_00001"), before);
  // A damaged part is encoded again.
  write_text(parts / "part_00000/image.features", "short");
  const ProgramResult result = run_well(build("killed", {}, "1"));
  EXPECT_THAT(result.errors, HasSubstr("a part is encoded again"));
  EXPECT_THAT(result.errors, HasSubstr("going on with"));
  run_well(build("undisturbed", {}, "1"));
  expect_same_files("undisturbed", "killed");
  EXPECT_FALSE(fs::exists(parts));
  EXPECT_THAT(run_well(build("killed")).errors, HasSubstr("holds these pairs already"));
  expect_error(build("killed", {"--captions", "all"}), {"'killed' is there already", "memory add"});
}

TEST_F(Memory, ThatIsStoppedKeepsItsParts) {
  Words command = build("stopped", {}, "1", "8");
  command[4] = "data/many/*.tar";
  fs::create_directories(tiny_project() / "data/many");
  for (const auto& entry : fs::directory_iterator(tiny_project() / "data/train")) {
    for (int copy = 0; copy < 5 && entry.path().extension() == ".tar"; ++copy) {
      fs::copy_file(entry.path(),
                    tiny_project() / "data/many" / (std::to_string(copy) + entry.path().filename().string()));
    }
  }
  BackgroundProgram program(tiny_project(), on_two_ranks(command));
  while (program.is_running() && !fs::exists(tiny_project() / "stopped.parts/part_00000"))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  program.send_signal(SIGTERM);
  EXPECT_EQ(program.wait(), 128 + SIGTERM);
  EXPECT_FALSE(fs::exists(tiny_project() / "stopped"));
  EXPECT_TRUE(fs::exists(tiny_project() / "stopped.parts/part_00000"));
  EXPECT_THAT(run_well(command).errors, HasSubstr("going on with"));
  EXPECT_EQ(inspect("stopped")["entries"], 5 * 96);
}

TEST_F(Memory, ForgetsWhatIsRemoved) {
  fs::copy(tiny_project() / "whole", tiny_project() / "less", fs::copy_options::recursive);
  const auto search = [](const std::string& entry) {
    return parse_json(run_well({"search", "less", "--entry", entry, "-k", "95", "--json", "-"}).output);
  };
  const auto before = search("50")["results"];
  const std::string first = before[0]["key"], second = before[1]["key"], third = before[2]["key"];
  write_text(tiny_project() / "keys.txt", second + "\nno such key\n");
  const ProgramResult removed = run_well({"memory", "remove", "less", first, "--keys", "keys.txt"});
  EXPECT_THAT(removed.errors, HasSubstr("2 entries removed"));
  EXPECT_THAT(removed.errors, HasSubstr("1 of 3 keys are not in 'less'"));
  EXPECT_EQ(search("50")["results"][0]["key"], third);
  EXPECT_EQ(search("50")["results"].size(), 93U);
  expect_error({"search", "less", "--entry", first}, {"was removed"});  // its key is its number, too
  expect_error({"search", "less", "--entry", std::to_string(before[0]["entry"].get<int>())}, {"was removed"});
  expect_error({"memory", "remove", "less", first}, {"not in 'less'", "nothing was removed"});
  expect_error({"memory", "remove", "less"}, {"which entries"});
  EXPECT_EQ(inspect("less")["removed"], 2);
  EXPECT_EQ(inspect("less")["entries"], 94);
  const auto scores = [](const nlohmann::json& results) {
    std::vector<std::pair<std::string, double>> pairs;
    for (const auto& result : results) pairs.emplace_back(result["key"], result["score"]);
    return pairs;
  };
  const auto tombstones = scores(search("50")["results"]);
  const std::string asked = search("50")["query"]["key"];
  for (const Words& change : {Words{"memory", "compact", "less"}, {"memory", "remove", "less", first}})
    EXPECT_THAT(run_cloob(tiny_project(), on_two_ranks(change)).errors, HasSubstr("runs in one process"));
  fs::create_directory_symlink("less", tiny_project() / "link_to_less");
  run_well({"memory", "compact", "link_to_less"});
  EXPECT_TRUE(fs::is_symlink(tiny_project() / "link_to_less"));
  EXPECT_EQ(inspect("less")["removed"], 0);
  EXPECT_EQ(scores(search(asked)["results"]), tombstones);
  EXPECT_THAT(run_well({"memory", "compact", "less"}).errors, HasSubstr("nothing to compact"));
}

TEST_F(Memory, GrowsByWhatIsAdded) {
  fs::copy(tiny_project() / "whole", tiny_project() / "more", fs::copy_options::recursive);
  const Words add = {"memory",
                     "add",
                     "more",
                     "--data",
                     "data/validation/*.tar",
                     "--data.webdataset.json_caption_field",
                     "captions",
                     "--part-samples",
                     "20"};
  run_well(add);
  auto found = inspect("more");
  EXPECT_EQ(found["entries"], 128);
  EXPECT_EQ(found["sources"].size(), 2U);
  EXPECT_THAT(run_well(add).errors, HasSubstr("holds these pairs already"));
  EXPECT_EQ(inspect("more")["entries"], 128);
  Words other = add;
  other.insert(other.end(), {"--checkpoint", "runs/b"});
  expect_error(other, {"'more' is of", "not of", "runs/b", "cannot be compared"});
}

TEST_F(Memory, IsNotRebuiltWithOtherOptionsOrImagesSilently) {
  Words command = build("organized");
  run_well(command);
  EXPECT_THAT(run_well(command).errors, HasSubstr("holds these pairs already"));
  Words other = command;
  other.insert(other.end(), {"--kind", "hnsw"});
  expect_error(other, {"holds these pairs already, with --kind exact instead of hnsw"});
  Words linked = build("linked");
  linked.insert(linked.end(), {"--kind", "hnsw", "--links", "16"});
  run_well(linked);
  linked.back() = "8";
  expect_error(linked, {"holds these pairs already, with --links 16 instead of 8"});
  // The parts of another command stay, and of nobody knows what.
  fs::create_directories(tiny_project() / "organized.parts");
  for (const char* description : {"{\"written_by\": \"cloob memory build\"}", "{"}) {
    write_text(tiny_project() / "organized.parts/build.json", description);
    EXPECT_THAT(run_well(command).errors, HasSubstr("holds these pairs already"));
    EXPECT_TRUE(fs::exists(tiny_project() / "organized.parts"));
  }
  fs::remove_all(tiny_project() / "organized.parts");
  // Left by a build that was killed as it began.
  fs::create_directories(tiny_project() / "begun.parts");
  write_text(tiny_project() / "begun.parts/build.json.tmp77", "{");
  run_well(build("begun"));
  EXPECT_FALSE(fs::exists(tiny_project() / "begun.parts"));
}

TEST_F(Memory, LosesTheImagesOfAnEvaluation) {
  run_well({"memory", "build", "runs/a", "--data", "data/validation/*.tar", "--out", "leaky",
            "--data.webdataset.json_caption_field", "captions"});
  run_well(build("clean"));
  const auto result =
      run_well({"memory", "dedup", "leaky", "--against", "data/validation/*.tar", "--threshold", "0.999"});
  EXPECT_THAT(result.errors, HasSubstr("32 images of 'data/validation/*.tar'"));
  const auto found = inspect("leaky");
  EXPECT_EQ(found["entries"], 0);
  EXPECT_EQ(found["removed"], 32);
  ASSERT_EQ(found["deduplicated"].size(), 1U);
  EXPECT_EQ(found["deduplicated"][0]["threshold"], 0.999);
  EXPECT_EQ(found["deduplicated"][0]["split"], "");
  EXPECT_EQ(found["deduplicated"][0]["removed"], 32);
  EXPECT_EQ(found["deduplicated"][0]["images"], 32);
  EXPECT_EQ(found["deduplicated"][0]["added_since"], 0);
  expect_error({"memory", "compact", "leaky"}, {"only removed entries"});
  // Folders of classes, too; nothing is like them that much.
  run_well({"memory", "dedup", "clean", "--against", "data/held_out", "--threshold", "1"});
  EXPECT_EQ(inspect("clean")["deduplicated"][0]["data"], "data/held_out");
  run_well({"memory", "dedup", "clean", "--against", golden_path("clip_benchmark/shards").string(),
            "--threshold", "1"});
  EXPECT_EQ(inspect("clean")["deduplicated"][1]["split"], "test");
  EXPECT_THAT(run_well({"memory", "inspect", "clean"}).output,
              HasSubstr("clip_benchmark/shards' (split test)"));
  run_well({"memory", "add", "clean", "--data", "data/validation/*.tar",
            "--data.webdataset.json_caption_field", "captions"});
  EXPECT_EQ(inspect("clean")["deduplicated"][0]["added_since"], 32);
  EXPECT_THAT(run_well({"memory", "inspect", "clean"}).output,
              HasSubstr("32 entries added since were not compared"));
}

class EmbeddedMemory : public Memory {
 protected:
  void SetUp() override {
    if (fs::exists(tiny_project() / "emb")) return;
    std::string images, captions;
    int number = 0;
    for (const auto& entry : fs::recursive_directory_iterator(tiny_project() / "data/held_out")) {
      if (entry.path().extension() != ".png") continue;
      images += fs::relative(entry.path(), tiny_project()).string() + "\n";
      captions += "caption " + std::to_string(number++) + "\n";
    }
    write_text(tiny_project() / "images.txt", images);
    write_text(tiny_project() / "captions.txt", captions);
    run_well(
        {"encode", "runs/a", "--images", "images.txt", "--texts", "captions.txt", "--embeddings", "emb"});
    fs::remove(tiny_project() / "emb/cloob.json");  // as another program writes them
  }
};

TEST_F(EmbeddedMemory, IsVerifiedBySomeOfItsEntries) {
  run_well({"memory", "build", "runs/a", "--embeddings", "emb", "--out", "taken"});
  const auto found = inspect("taken");
  EXPECT_EQ(found["entries"], 32);
  EXPECT_EQ(found["verified"], true);
  EXPECT_EQ(found["check"]["images"], 32);
  EXPECT_EQ(found["check"]["captions"], 32);
  EXPECT_GT(found["check"]["lowest_cosine"].get<double>(), 0.9999);
  EXPECT_THAT(run_well({"search", "taken", "a circle"}).errors, Not(HasSubstr("unverified")));
  expect_error({"memory", "build", "runs/b", "--embeddings", "emb", "--out", "x"},
               {"'emb' is not of this model", "64 images and captions", "below 0.999", "the lowest is"});
  EXPECT_FALSE(fs::exists(tiny_project() / "x"));
  expect_error({"memory", "build", "runs/a", "--embeddings", "emb", "--out", "x", "--captions", "all"},
               {"--captions"});
  expect_error({"memory", "build", "runs/a", "--out", "x"}, {"--data or --embeddings"});
}

TEST_F(EmbeddedMemory, OfWhatNobodyCanReadIsUnverified) {
  fs::copy(tiny_project() / "emb", tiny_project() / "bare", fs::copy_options::recursive);
  fs::remove_all(tiny_project() / "bare/metadata");
  const auto built = run_well({"memory", "build", "runs/a", "--embeddings", "bare", "--out", "unverified"});
  EXPECT_THAT(built.errors, HasSubstr("the memory is unverified"));
  EXPECT_EQ(inspect("unverified")["verified"], false);
  for (const Words& use :
       {Words{"search", "unverified", "a circle"}, Words{"memory", "inspect", "unverified"}}) {
    const std::string errors = run_well(use).errors;
    EXPECT_THAT(errors, HasSubstr("'unverified' is unverified"));
    EXPECT_EQ(errors.find("is unverified"), errors.rfind("is unverified"));
  }
  // Added to a verified one, they make it unverified.
  run_well({"memory", "build", "runs/a", "--embeddings", "emb", "--out", "mixed"});
  run_well({"memory", "add", "mixed", "--embeddings", "bare"});
  EXPECT_EQ(inspect("mixed")["entries"], 64);
  EXPECT_EQ(inspect("mixed")["verified"], false);
}

TEST_F(EmbeddedMemory, IsAddedOnce) {
  run_well({"memory", "build", "runs/a", "--embeddings", "emb", "--out", "once"});
  const auto again = run_well({"memory", "add", "once", "--embeddings", "emb"});
  EXPECT_THAT(again.errors, HasSubstr("holds these pairs already"));
  EXPECT_EQ(inspect("once")["entries"], 32);
}

// Of a tar, embeddings have keys in place of paths.
TEST_F(EmbeddedMemory, IsVerifiedByDataThatIsNamed) {
  fs::copy(tiny_project() / "emb", tiny_project() / "keys", fs::copy_options::recursive);
  std::string lines, table = "filepath,title\n";
  int number = 0;
  for (const std::string& line : read_lines(tiny_project() / "emb/metadata/metadata_0.jsonl")) {
    const std::string path = parse_json(line)["image_path"];
    lines += "{\"image_path\": \"moved/" + std::to_string(number) + ".png\"}\n";
    fs::create_directories(tiny_project() / "elsewhere/moved");
    fs::copy_file(tiny_project() / path,
                  tiny_project() / "elsewhere/moved" / (std::to_string(number) + ".png"));
    table += "moved/" + std::to_string(number) + ".png,caption " + std::to_string(number) + "\n";
    ++number;
  }
  write_text(tiny_project() / "keys/metadata/metadata_0.jsonl", lines);
  write_text(tiny_project() / "elsewhere/table.csv", table);
  const Words build = {"memory", "build",  "runs/a", "--embeddings",       "keys",
                       "--out",  "by_key", "--data", "elsewhere/table.csv"};
  run_well(build);
  EXPECT_EQ(inspect("by_key")["check"]["images"], 32);
  EXPECT_EQ(inspect("by_key")["check"]["captions"], 32);
  EXPECT_EQ(inspect("by_key")["verified"], true);
  // A few of them say little of the others.
  write_text(tiny_project() / "elsewhere/few.csv",
             "filepath,title\nmoved/3.png,caption 3\nmoved/4.png,caption 4\n");
  const auto few = run_well({"memory", "build", "runs/a", "--embeddings", "keys", "--out", "by_few", "--data",
                             "elsewhere/few.csv"});
  EXPECT_THAT(few.errors, HasSubstr("2 images and 2 captions of 32 entries of 'keys' could be read"));
  EXPECT_EQ(inspect("by_few")["verified"], false);
}

TEST_F(Memory, IsRefusedByNameIfItIsDamaged) {
  fs::copy(tiny_project() / "whole", tiny_project() / "damaged", fs::copy_options::recursive);
  const fs::path features = tiny_project() / "damaged/text.features";
  const std::string content = read_file(features);
  write_text(features, content.substr(0, content.size() / 2));
  for (const Words& use : {Words{"search", "damaged", "a circle"}, Words{"memory", "inspect", "damaged"},
                           Words{"memory", "remove", "damaged", "x"}, Words{"memory", "compact", "damaged"},
                           Words{"memory", "add", "damaged", "--data", "data/validation/*.tar"},
                           Words{"memory", "dedup", "damaged", "--against", "data/held_out"}})
    expect_error(use, {"damaged/text.features", "truncated"});
  expect_error({"memory", "inspect", "data"}, {"'data' is not an index"});
  expect_error({"memory", "inspect", "nowhere"}, {"there is no folder 'nowhere'"});
  // Nor is another one overwritten.
  const std::string header = read_file(tiny_project() / "whole/index.json");
  expect_error({"memory", "inspect", "whole", "--json", "damaged/index.json"},
               {"belongs to the index in that folder"});
  expect_error({"eval", "zero-shot", "runs/a", "--data", "data/held_out", "--json", "whole/index.json"},
               {"belongs to the index in that folder"});
  EXPECT_EQ(read_file(tiny_project() / "whole/index.json"), header);
}

TEST_F(Memory, LosesNothingThatIsInItsFolder) {
  const fs::path folder = tiny_project() / "kept";
  fs::copy(tiny_project() / "whole", folder, fs::copy_options::recursive);
  expect_error({"index", "runs/a", "--images", "data/held_out", "--out", "kept"},
               {"'kept' is a memory", "not replaced"});
  run_well({"memory", "remove", "kept", first_key("kept")});
  write_text(folder / "results" / "notes.txt", "precious");
  expect_error({"memory", "compact", "kept"}, {"kept/results' is not of the index", "move it elsewhere"});
  expect_error({"memory", "add", "kept", "--data", "data/validation/*.tar"},
               {"kept/results' is not of the index"});
  EXPECT_EQ(read_file(folder / "results" / "notes.txt"), "precious");
  // An index that is damaged can be made again in its place, a memory cannot.
  run_well({"index", "runs/a", "--images", "data/held_out", "--out", "made_again"});
  fs::resize_file(tiny_project() / "made_again" / "image.features", 5);
  run_well({"index", "runs/a", "--images", "data/held_out", "--out", "made_again"});
  fs::copy(tiny_project() / "whole", tiny_project() / "cut", fs::copy_options::recursive);
  fs::resize_file(tiny_project() / "cut" / "image.features", 5);
  expect_error({"index", "runs/a", "--images", "data/held_out", "--out", "cut"}, {"'cut' is a memory"});
  fs::rename(folder / "results", tiny_project() / "saved");
  run_well({"memory", "compact", "kept"});
}

TEST_F(Memory, SaysWhichSettingIsMisspelled) {
  Words words = build("x");
  words.insert(words.end(), {"--data.webdataset.image_membrs", "png"});
  expect_error(words, {"did you mean 'data.webdataset.image_members'"});
}

TEST_F(Memory, NeedsPairs) {
  Words images = build("x");
  images[4] = "data/held_out";
  expect_error(images, {"has no caption"});
  EXPECT_FALSE(fs::exists(tiny_project() / "x"));
  fs::remove_all(tiny_project() / "x.parts");
  for (const char* name : {"broken1.png", "broken2.png"}) write_text(tiny_project() / name, "no image");
  write_text(tiny_project() / "some.csv", "filepath,title\nbroken1.png,a\nbroken2.png,b\n");
  images[4] = "some.csv";
  expect_error(images, {"2 of 2 samples are unusable", "not an image"});
}

}  // namespace
}  // namespace cloob::testing

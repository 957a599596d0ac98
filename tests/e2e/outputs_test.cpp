// Every output option against every kind of input: no command overwrites what it or another command reads.

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "e2e/program.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// Files that commands read, in one folder. None has to be complete: outputs are checked before anything is read.
class Outputs : public ::testing::Test {
 protected:
  void SetUp() override {
    write_text(folder_ / "images/a.jpg", "\xff\xd8\xff an image");
    write_text(folder_ / "classes/cat/a.png", "\x89PNG an image");
    write_text(folder_ / "classes/classnames.txt", "cat\n");
    write_text(folder_ / "t.csv", "filepath,title\nimages/a.jpg,a dog\n");
    write_tar(folder_ / "a.tar", {{"a.jpg", "an image"}, {"a.txt", "a dog"}});
    write_text(folder_ / "a_stats.json", "{\"successes\": 1}");
    write_text(folder_ / "sizes.json", "{\"a.tar\": 1}");
    write_text(folder_ / "cloob.index", "cloobidx...");
    write_text(folder_ / "images.zip", "PK\x03\x04 an archive");
    write_text(folder_ / "list.txt", "images/a.jpg\n");
    write_text(folder_ / "names.json", "[\"cat\"]");
    write_text(folder_ / "run.yaml", "train: {steps: 1}\n");
    write_text(folder_ / "m.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10));
    write_text(folder_ / "checkpoint/state.json", "{}");
    write_text(folder_ / "checkpoint/weights.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10));
    write_text(folder_ / "run/checkpoints/x", "");
    write_text(folder_ / "run/metrics.jsonl",
               R"({"step": 1, "epoch": 0, "samples_seen": 1, "time_s": 1, "train/loss": 1})"
               "\n");
    write_text(folder_ / "page/index.html", "<html></html>");
  }

  std::map<std::string, std::string> contents() const {
    std::map<std::string, std::string> contents;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      if (entry.is_regular_file())
        contents[entry.path().lexically_relative(folder_.path()).string()] = read_file(entry);
    }
    return contents;
  }

  // `arguments` end with the option whose value is the output.
  void expect_refused(std::vector<std::string> arguments, const std::string& output) const {
    arguments.push_back(output);
    const ProgramResult result = run_cloob(folder_.path(), arguments);
    EXPECT_EQ(result.exit_status, 2) << arguments[0] << " " << arguments[1] << " " << output << result.errors;
    EXPECT_THAT(result.errors, AnyOf(HasSubstr("would be overwritten"), HasSubstr("so it is not overwritten"),
                                     HasSubstr("is inside the checkpoint"), HasSubstr("belongs to the run")))
        << arguments[0] << " " << arguments[1] << " " << output;
  }

  TempDir folder_;
};

TEST_F(Outputs, NeverOverwriteInputs) {
  const std::vector<std::vector<std::string>> commands = {
      {"data", "inspect", "t.csv", "a.tar", "--json"},
      {"data", "inspect", "{t.csv,a.tar}", "--html"},
      {"eval", "retrieval", "m.safetensors", "--data", "t.csv", "a.tar", "--json"},
      {"eval", "loss", "m.safetensors", "--data", "*.tar", "--json"},
      {"eval", "zero-shot", "m.safetensors", "--data", "classes", "--classnames", "names.json", "--json"},
      {"bench", "data", "--source", "t.csv", "a.tar", "--json"},
      {"bench", "tokenize", "--captions", "list.txt", "--json"},
      {"bench", "loss", "--objective", "clip", "--features", "m.safetensors", "--json"},
      {"encode", "m.safetensors", "--images", "list.txt", "--out"},
      {"tokenizer", "train", "list.txt", "--out"},
      {"weights", "export", "m.safetensors", "--out"},
      {"weights", "inspect", "m.safetensors", "--json"},
      {"search", "none.index", "a dog", "--json"},
      {"search", "none.index", "--image", "images/a.jpg", "--html"},
      {"hopfield", "images", "images/a.jpg", "classes/cat/a.png", "--json"},
      {"hopfield", "images", "images/a.jpg", "images/a.jpg", "--out"}};
  const auto before = contents();
  for (const auto& arguments : commands) {
    for (const std::string output :
         {"images/a.jpg", "./images/../images/a.jpg", "classes/cat/a.png", "classes/classnames.txt", "t.csv",
          "a.tar", "cloob.index", "images.zip", "list.txt", "run.yaml", "m.safetensors",
          "checkpoint/state.json", "checkpoint/weights.safetensors", "run/metrics.jsonl"}) {
      expect_refused(arguments, output);
    }
  }
  // JSON may replace earlier JSON, unless the command reads it.
  for (const char* output : {"a_stats.json", "sizes.json"}) {
    for (const std::size_t command : {0, 1, 2, 3, 5}) expect_refused(commands[command], output);
  }
  expect_refused(commands[4], "names.json");
  EXPECT_EQ(contents(), before);
}

TEST_F(Outputs, FollowLinks) {
  fs::create_symlink("images/a.jpg", folder_ / "link.json");
  fs::create_hard_link(folder_ / "a.tar", folder_ / "same.json");
  const auto before = contents();
  expect_refused({"data", "inspect", "t.csv", "--json"}, "link.json");
  expect_refused({"data", "inspect", "a.tar", "--json"}, "same.json");
  EXPECT_EQ(contents(), before);
}

TEST_F(Outputs, OfOneCommandAreDifferentFiles) {
  const ProgramResult result =
      run_cloob(folder_.path(), {"data", "inspect", "t.csv", "--html", "x", "--json", "./images/../x"});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("--html and --json both name"));
}

TEST_F(Outputs, FoldersAreNewOnes) {
  const auto before = contents();
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"data", "pack", "t.csv", "--out", "images"},
           {"data", "pack", "classes", "--out", "classes"},
           {"data", "split", "t.csv", "--parts", "a=1", "--out", "images"},
           {"data", "split", "a.tar", "--parts", "a=1", "--pack", "--out", "."},
           {"data", "index", "a.tar", "--out", "t.csv"},
           {"data", "render-shapes", "images"},
           {"weights", "import", "m.safetensors", "--out", "checkpoint"},
           {"encode", "m.safetensors", "--images", "list.txt", "--embeddings", "images"},
           {"index", "m.safetensors", "--images", "images", "--out", "images"},
           {"report", "a=run", "--out", "page"}}) {
    const ProgramResult result = run_cloob(folder_.path(), arguments);
    EXPECT_EQ(result.exit_status, 2) << arguments[0] << " " << arguments[1] << result.errors;
    EXPECT_THAT(
        result.errors,
        ::testing::ContainsRegex(
            "not empty|already exists|is not an empty folder|is a file|was not written by|is not an index|Not a directory"));
  }
  EXPECT_EQ(contents(), before);
}

TEST_F(Outputs, ReplaceEarlierOutputs) {
  write_text(folder_ / "empty.json", "");
  write_text(folder_ / "earlier.json", "{\"x\": 1}");
  for (const char* output : {"empty.json", "earlier.json"}) {
    const ProgramResult result = run_cloob(
        folder_.path(), {"bench", "tokenize", "--captions", "list.txt", "--seconds", "0", "--json", output});
    EXPECT_EQ(result.exit_status, 0) << result.errors;
    EXPECT_THAT(read_file(folder_ / output), HasSubstr("captions_s"));
  }
}

}  // namespace
}  // namespace cloob::testing

// What becomes of a run when its surroundings change: other batches, evaluations that fail, weights and
// tokenizers that move.
#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using Arguments = std::vector<std::string>;

std::string run_or_fail(const Arguments& arguments, const std::string& input = "") {
  const ProgramResult result = run_cloob(tiny_project(), arguments, input);
  EXPECT_EQ(result.exit_status, 0) << join(arguments, " ") << "\n" << result.errors;
  return result.output + result.errors;
}

nlohmann::json json_of(Arguments arguments) {
  arguments.insert(arguments.end(), {"--json", "-"});
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 0) << join(arguments, " ") << "\n" << result.errors;
  return nlohmann::json::parse(result.output);
}

nlohmann::json last_metrics(const std::string& run) {
  const std::string text = read_file(tiny_project() / run / "metrics.jsonl");
  const std::vector<std::string> lines = split(std::string(trim(text)), '\n');
  return nlohmann::json::parse(lines.back());
}

TEST(Continuation, WithOtherBatchesTheRunDoesWhatIsLeftOfItsEpochs) {
  // 96 pairs: 4 steps of 24, then 8 of 12 and another 8.
  run_or_fail(train_arguments("rebatched", {"--train.steps", "null", "--train.epochs", "1"}));
  const std::string output =
      run_or_fail(train_arguments("rebatched", {"--train.steps", "null", "--train.epochs", "3",
                                                "--train.global_batch_size", "12", "--resume", "auto"}));
  EXPECT_THAT(output, HasSubstr("finished after 20 steps"));
  const nlohmann::json last = last_metrics("rebatched");
  EXPECT_EQ(last["epoch"], 3.0);
  EXPECT_EQ(last["samples_seen"], 3 * 96);
  EXPECT_THAT(
      run_or_fail(train_arguments("rebatched", {"--train.steps", "null", "--train.epochs", "3",
                                                "--train.global_batch_size", "12", "--resume", "auto"})),
      HasSubstr("nothing is left to do"));
}

TEST(Continuation, AnEvaluationThatFailsCostsNoTraining) {
  const Arguments more = {"--train.steps", "4", "--data.val", "broken.tsv"};
  // One image is there, so that the table as such is accepted.
  std::string image;
  for (const auto& entry : fs::recursive_directory_iterator(tiny_project() / "data" / "held_out")) {
    if (entry.path().extension() == ".png") image = entry.path().string();
  }
  write_file_atomically(tiny_project() / "broken.tsv",
                        "filepath\ttitle\n" + image + "\ta\nnone.jpg\tb\nnone2.jpg\tc\n");
  const ProgramResult result = run_cloob(tiny_project(), train_arguments("unmeasured", more));
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("data.max_bad_share"));
  EXPECT_TRUE(fs::exists(tiny_project() / "unmeasured" / "checkpoints" / "step_00000004"));
  run_or_fail(train_arguments("unmeasured", {"--train.steps", "8", "--resume", "auto"}));
}

TEST(Continuation, ExportedWeightsKeepWhatTheirTensorsDoNotSay) {
  run_or_fail(train_arguments(
      "squashed", {"--train.steps", "4", "--image.resize_mode", "squash", "--model.text.heads", "2"}));
  run_or_fail({"weights", "export", "squashed", "--out", "squashed.safetensors"});
  const Arguments data = {"--data", "data/validation/00000.tar"};
  Arguments of_run = {"eval", "retrieval", "squashed"},
            of_file = {"eval", "retrieval", "squashed.safetensors"};
  of_run.insert(of_run.end(), data.begin(), data.end());
  of_file.insert(of_file.end(), data.begin(), data.end());
  EXPECT_EQ(json_of(of_run), json_of(of_file));
  const nlohmann::json about = json_of({"weights", "inspect", "squashed.safetensors"});
  EXPECT_THAT(about["metadata"]["cloob_config"].get<std::string>(), HasSubstr("resize_mode: squash"));
}

TEST(Continuation, ACheckpointHasItsTokenizerWithIt) {
  std::string captions;
  for (int i = 0; i < 40; ++i) captions += "a small red circle\nthe large blue square\n";
  write_file_atomically(tiny_project() / "words.txt", captions);
  run_or_fail({"tokenizer", "train", "words.txt", "--vocab-size", "20", "--out", "words.model"});
  const Arguments more = {"--text.tokenizer",        "sentencepiece",
                          "--text.model_file",       "words.model",
                          "--model.text.vocab_size", "40",
                          "--train.steps",           "4"};
  run_or_fail(train_arguments("worded", more));
  const Arguments evaluation = {"eval", "retrieval", "worded", "--data", "data/validation/00000.tar"};
  const nlohmann::json before = json_of(evaluation);

  run_or_fail({"tokenizer", "train", "words.txt", "--vocab-size", "22", "--out", "other.model"});
  fs::rename(tiny_project() / "other.model", tiny_project() / "words.model");
  EXPECT_EQ(json_of(evaluation), before);
  Arguments resumed = train_arguments("worded", more);
  resumed.insert(resumed.end(), {"--train.steps", "8", "--resume", "auto"});
  const ProgramResult result = run_cloob(tiny_project(), resumed);
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("not the one that the run was trained with"));
  fs::remove(tiny_project() / "words.model");
  EXPECT_EQ(json_of(evaluation), before);
}

}  // namespace
}  // namespace cloob::testing

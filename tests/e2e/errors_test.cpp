// How user errors are reported: one line that says what to do, exit status 2, nothing lost.

#include <unistd.h>

#include <limits>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/small_disk.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// The last line of standard error, which is the message.
std::string error_line(const ProgramResult& result) {
  std::vector<std::string> lines = split(std::string(trim(result.errors)), '\n');
  return lines.back();
}

void expect_error(const std::vector<std::string>& arguments, std::initializer_list<std::string> parts) {
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 2) << result.errors;
  const std::string line = error_line(result);
  EXPECT_THAT(line, ::testing::StartsWith("error: "));
  for (const std::string& part : parts) EXPECT_THAT(line, HasSubstr(part));
}

TEST(Errors, NameTheSettingThatIsWrong) {
  expect_error({"train", "no_such.yaml"}, {"no_such.yaml", "No such file"});
  expect_error(train_arguments("e", {"--optimizer.lrr", "1e-3"}), {"optimizer.lrr", "did you mean"});
  expect_error(train_arguments("e", {"--optimizer.lr", "fast"}), {"optimizer.lr", "fast"});
  expect_error(train_arguments("e", {"--optimizer.lr", "99"}), {"optimizer.lr", "must be in"});
  expect_error(train_arguments("e", {"--loss.kind", "infoloob"}), {"loss.kind", "info_nce|info_loob"});
  expect_error(train_arguments("e", {"--train.epochs", "3"}),
               {"command line: ", "train.epochs", "train.steps is set at tiny.yaml:"});
  write_file_atomically(tiny_project() / "bounds.yaml", "loss:\n  inv_tau_max: 20\n  inv_tau: 30\n");
  expect_error({"config", "check", "bounds.yaml"},
               {"bounds.yaml:3:12: loss.inv_tau is 30", "loss.inv_tau_max (20)"});
}

TEST(Errors, NameTheDataThatIsWrong) {
  expect_error(train_arguments("e", {"--data.train", "nowhere/*.tar"}), {"nowhere"});
  expect_error(train_arguments("e", {"--train.global_batch_size", "1000"}),
               {"96", "1,000", "train.global_batch_size"});
  expect_error(train_arguments("e", {"--data.webdataset.image_members", "jpg"}), {"png", "jpg"});
  expect_error(train_arguments("e", {"--model.text.vocab_size", "100"}), {"49408", "model.text.vocab_size"});
}

TEST(Errors, NameTheCommandThatIsWrong) {
  const auto expect_usage_error = [](const std::vector<std::string>& arguments, const std::string& message) {
    const ProgramResult result = run_cloob(tiny_project(), arguments);
    EXPECT_EQ(result.exit_status, 2);
    EXPECT_THAT(result.errors, ::testing::StartsWith("error: " + message));
    EXPECT_EQ(split(result.errors, '\n').size(), 2U) << "one line: " << result.errors;
  };
  expect_usage_error({"-q"}, "a command is missing; commands: train, ablate, eval, ");
  expect_usage_error(
      {"inspect"},
      "unknown command 'inspect', did you mean 'cloob memory inspect' or 'cloob weights inspect' or 'cloob data inspect'? ");
  expect_usage_error({"bogus", "x"}, "unknown command 'bogus'; commands: train, ablate, eval, ");
  expect_usage_error({"-q", "tran"}, "unknown command 'tran', did you mean 'train'? commands: ");
  expect_usage_error(
      {"eval"},
      "a command is missing; commands of 'eval': retrieval, features, loss, linear-probe, knn, few-shot, clusters, zero-shot, suite\n");
  expect_usage_error({"eval", "foo"}, "unknown command 'foo'; commands of 'eval': retrieval, ");
  expect_usage_error({"--bogus"}, "unknown option '--bogus'; commands: ");
  expect_usage_error({"bench", "loss"}, "--objective is required (see cloob bench loss --help)\n");
}

TEST(Errors, AnEmptyValueIsNotAnOmittedOption) {
  expect_error({"eval", "retrieval", "m", "--data", "d.tsv", "--json", ""}, {"--json: the value is empty"});
  expect_error(train_arguments("", {}), {"--run-dir: the value is empty", "leave the option out"});
  expect_error({"data", "list", "d.tsv", "--data.shuffle", ""}, {"--data.shuffle: the value is empty"});
  expect_error({"bench", "data", "--source", "d.tsv", "--seconds", "nan"}, {"nan is not a number"});
  expect_error({"data", "render-shapes", ""}, {"folder: the value is empty: give one ("});
}

TEST(Errors, ARunFolderIsNotOverwrittenUnasked) {
  ASSERT_EQ(run_cloob(tiny_project(), train_arguments("kept", {"--train.steps", "1"})).exit_status, 0);
  expect_error(train_arguments("kept", {"--train.steps", "1"}), {"kept", "--resume auto", "--overwrite"});
  EXPECT_EQ(
      run_cloob(tiny_project(), train_arguments("kept", {"--train.steps", "1", "--overwrite"})).exit_status,
      0);
}

TEST(Errors, ATruncatedCheckpointIsNamedAndThePreviousOneSuggested) {
  ASSERT_EQ(run_cloob(tiny_project(), train_arguments("cut", {"--train.steps", "6"})).exit_status, 0);
  const fs::path weights = tiny_project() / "cut/checkpoints/step_00000006/weights.safetensors";
  fs::resize_file(weights, fs::file_size(weights) / 2);
  expect_error(train_arguments("cut", {"--resume", "auto"}), {"weights.safetensors", "step_00000003"});
  expect_error({"eval", "retrieval", "cut", "--data", "data/validation/00000.tar"}, {"weights.safetensors"});
  // The advice can be followed.
  const ProgramResult resumed =
      run_cloob(tiny_project(),
                train_arguments("cut", {"--train.steps", "6", "--resume", "cut/checkpoints/step_00000003"}));
  EXPECT_EQ(resumed.exit_status, 0) << resumed.errors;
  EXPECT_EQ(run_cloob(tiny_project(), {"eval", "retrieval", "cut", "--data", "data/validation/00000.tar"})
                .exit_status,
            0);
}

TEST(Errors, ARunThatCannotStartKeepsTheOldRun) {
  ASSERT_EQ(run_cloob(tiny_project(), train_arguments("old", {"--train.steps", "1"})).exit_status, 0);
  const fs::path weights = tiny_project() / "old/checkpoints/step_00000001/weights.safetensors";
  expect_error(train_arguments("old", {"--overwrite", "--data.train", "nowhere/*.tar"}), {"nowhere"});
  EXPECT_TRUE(fs::exists(weights));
  expect_error(train_arguments("old", {"--overwrite", "--checkpoint.best_metric", "val/los"}),
               {"val/los", "did you mean 'val/loss'"});
  EXPECT_TRUE(fs::exists(weights));
  // A new run may start from the weights that it replaces.
  const ProgramResult replaced = run_cloob(
      tiny_project(),
      train_arguments("old", {"--overwrite", "--train.steps", "2", "--train.initial_weights", "old"}));
  EXPECT_EQ(replaced.exit_status, 0) << replaced.errors;
  EXPECT_FALSE(fs::exists(weights));
  EXPECT_TRUE(fs::exists(tiny_project() / "old/checkpoints/step_00000002/weights.safetensors"));
}

TEST(Errors, WeightsWithAnotherActivationAreRejected) {
  ASSERT_EQ(run_cloob(tiny_project(), train_arguments("gelu", {"--train.steps", "1"})).exit_status, 0);
  expect_error(
      train_arguments("quick", {"--train.initial_weights", "gelu", "--model.activation", "quick_gelu"}),
      {"gelu", "model.activation"});
}

TEST(Errors, AFullDiskLosesNothing) {
  const fs::path small = tiny_project() / "small_disk";
  const SmallDisk disk(small, "60m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  const ProgramResult result =
      run_cloob(tiny_project(), train_arguments((small / "run").string(), {"--checkpoint.keep_last", "0"}));
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(error_line(result), HasSubstr("No space left on device"));
  // The previous checkpoint still loads.
  const ProgramResult eval = run_cloob(
      tiny_project(), {"eval", "retrieval", (small / "run").string(), "--data", "data/validation/00000.tar"});
  EXPECT_EQ(eval.exit_status, 0) << eval.errors;
}

TEST(Errors, ANonFiniteLossStopsTheRunBeforeTheStep) {
  ASSERT_EQ(run_cloob(tiny_project(), train_arguments("sound", {"--train.steps", "1"})).exit_status, 0);
  const fs::path file = tiny_project() / "broken.safetensors";
  ASSERT_EQ(run_cloob(tiny_project(), {"weights", "export", "sound", "--out", file.string()}).exit_status, 0);
  SafetensorsFile weights = read_safetensors(file);
  // Finite, as initial weights have to be, but what they compute is not.
  weights.tensors.at("visual.conv1.weight").fill_(std::numeric_limits<float>::max());
  write_safetensors(file, weights.tensors, weights.metadata);
  expect_error(train_arguments("not_finite", {"--train.initial_weights", file.string()}),
               {"step 1", "the loss is nan", "left as they were"});
}

TEST(Program, StartsAndExplainsItself) {
  const ProgramResult version = run_cloob(tiny_project(), {"--version"});
  EXPECT_EQ(version.exit_status, 0);
  EXPECT_THAT(version.output, ::testing::StartsWith("cloob "));
  EXPECT_EQ(run_cloob(tiny_project(), {"--help"}).exit_status, 0);
  const std::string bench = run_cloob(tiny_project(), {"bench", "loss", "--help"}).output;
  EXPECT_THAT(bench, HasSubstr("--objective TEXT:{clip"));
  EXPECT_THAT(bench, ::testing::Not(HasSubstr("=clip")));
  EXPECT_EQ(run_cloob(tiny_project(), {"no-such-verb"}).exit_status, 2);
}

TEST(Program, TokenizesLineByLine) {
  const ProgramResult result = run_cloob(tiny_project(), {"tokenize"}, "a photo of a cat\n\n");
  EXPECT_EQ(result.exit_status, 0) << result.errors;
  EXPECT_EQ(result.output, "49406 320 1125 539 320 2368 49407\n49406 49407\n");
}

}  // namespace
}  // namespace cloob::testing

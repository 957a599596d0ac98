// Runs that continue under changed conditions: other batch sizes, failing evaluations, moved weights and
// tokenizers.

#include <ATen/ops/equal.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint_store.h"
#include "cloob/checkpoint/safetensors.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/named_tensors.h"
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

TEST(Continuation, WithAnotherBatchSizeTheRunCompletesItsEpochs) {
  // 96 pairs: 4 steps of 24, then 8 of 12 and 8 more.
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

TEST(Continuation, ARunKeepsThePrecisionThatItStartedWith) {
  for (const char* chosen : {"fp32", "bf16"}) {
    run_or_fail(train_arguments("precise", {"--train.precision", chosen, "--overwrite"}));
    const std::string output =
        run_or_fail(train_arguments("precise", {"--train.steps", "8", "--resume", "auto"}));
    EXPECT_THAT(output, HasSubstr(std::string("threads) in ") + chosen));
    EXPECT_THAT(output, Not(HasSubstr("train.precision")));
    EXPECT_THAT(read_file(tiny_project() / "precise" / "config.yaml"),
                HasSubstr(std::string("precision: ") + chosen));
  }
}

TEST(Continuation, ARunKeepsThePrecisionThatWasChosenForIt) {
  EXPECT_THAT(run_or_fail(train_arguments("chosen", {})), HasSubstr("train.precision is not set: taking "));
  const std::string config = read_file(tiny_project() / "chosen" / "config.yaml");
  EXPECT_THAT(run_or_fail(train_arguments("chosen", {"--train.steps", "8", "--resume", "auto"})),
              Not(HasSubstr("train.precision")));
  const std::string resumed = read_file(tiny_project() / "chosen" / "config.yaml");
  const auto precision_in = [](const std::string& text) {
    const std::size_t at = text.find("precision: ");
    return text.substr(at, text.find('\n', at) - at);
  };
  EXPECT_THAT(precision_in(config), ::testing::MatchesRegex("precision: (fp32|bf16)"));
  EXPECT_EQ(precision_in(resumed), precision_in(config));
}

TEST(Continuation, AFailedEvaluationLosesNoTraining) {
  const Arguments more = {"--train.steps", "4", "--data.val", "broken.tsv"};
  // One image exists, so that the table as a whole is accepted.
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

TEST(Continuation, ExportedWeightsKeepTheSettingsThatTensorsLack) {
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

TEST(Continuation, ACheckpointContainsItsTokenizer) {
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

void expect_same_after_resume(const std::string& run, const Arguments& more) {
  Arguments in_two = more;
  in_two.insert(in_two.end(), {"--train.steps", "7", "--schedule.kind", "constant"});
  Arguments straight = more;
  straight.insert(straight.end(), {"--schedule.kind", "constant"});
  run_or_fail(train_arguments(run + "_straight", straight));
  run_or_fail(train_arguments(run + "_in_two", in_two));
  straight.insert(straight.end(), {"--resume", "auto"});
  run_or_fail(train_arguments(run + "_in_two", straight));
  expect_same_bits(final_tensors(tiny_project() / (run + "_in_two")),
                   final_tensors(tiny_project() / (run + "_straight")));
}

TEST(Continuation, AResumedRunWithEmaOrBf16WeightsEndsTheSame) {
  expect_same_after_resume("averaged", {"--optimizer.ema_decay", "0.9"});
  expect_same_after_resume("narrow", {"--train.precision", "pure_bf16", "--optimizer.ema_decay", "0.99",
                                      "--optimizer.spike_guard.enabled", "true"});
}

TEST(Continuation, ALockedImageTowerKeepsItsWeightsAndMovesItsStatistics) {
  const Arguments locked = {"--schedule.image_end_step", "14", "--schedule.text_start_step", "3"};
  expect_same_after_resume("locked", locked);
  const fs::path run = tiny_project() / "locked_straight";
  const auto weights = [&](const char* step) {
    return read_safetensors(run / "checkpoints" / step / "weights.safetensors").tensors;
  };
  const NamedTensors before = weights("step_00000015"), after = weights("step_00000016");
  const auto is_unchanged = [&](const char* name) { return at::equal(before.at(name), after.at(name)); };
  EXPECT_TRUE(is_unchanged("visual.conv1.weight"));
  EXPECT_TRUE(is_unchanged("visual.attnpool.c_proj.bias"));
  EXPECT_FALSE(is_unchanged("visual.bn1.running_mean"));
  EXPECT_FALSE(is_unchanged("text_projection"));
  int num_lines = 0;
  for (const std::string& line : split(std::string(trim(read_file(run / "metrics.jsonl"))), '\n')) {
    const nlohmann::json metrics = nlohmann::json::parse(line);
    if (!metrics.contains("train/lr")) continue;
    const int step =
        metrics["step"].get<int>() - 1;  // constant after 4 steps of warm-up; of the text tower from 3 to 6
    const double image = step < 14 ? 1e-3 * std::min(step + 1, 4) / 4 : 0;
    const double text = step >= 3 ? 1e-3 * std::min(step - 2, 4) / 4 : 0;
    EXPECT_DOUBLE_EQ(metrics["train/lr"].get<double>(), text) << line;
    EXPECT_DOUBLE_EQ(metrics.value("train/lr_image", text), image) << line;
    ++num_lines;
  }
  EXPECT_EQ(num_lines, 16);
}

TEST(Continuation, EvaluationUsesTheEmaWeights) {
  for (const char* decay : {"null", "0.9"}) {
    const std::string run = std::string("mean_") + decay;
    run_or_fail(train_arguments(
        run, {"--optimizer.ema_decay", decay, "--optimizer.lr", "0.02", "--train.precision", "fp32"}));
    const nlohmann::json again =
        json_of({"eval", "retrieval", run, "--data", "data/validation/*.tar", "--batch-size", "16",
                 "--data.webdataset.json_caption_field", "captions"});
    for (const char* metric : {"image_to_text_mean_rank", "text_to_image_mean_rank"})
      EXPECT_EQ(last_metrics(run)[std::string("val/") + metric], again[metric]) << run;
  }
  EXPECT_NE(last_metrics("mean_0.9")["val/loss"], last_metrics("mean_null")["val/loss"]);
  EXPECT_EQ(last_metrics("mean_0.9")["train/loss"], last_metrics("mean_null")["train/loss"])
      << "the EMA must not affect training";
}

TEST(Continuation, AFrozenTowerKeepsItsWeights) {
  run_or_fail(train_arguments("before", {"--train.steps", "4"}));
  run_or_fail(train_arguments(
      "locked",
      {"--train.initial_weights", "before", "--optimizer.image.frozen", "true", "--image.train_crop",
       "evaluation", "--image.horizontal_flip_probability", "0", "--image.color_jitter_probability", "0",
       "--image.color_jitter", "[]", "--train.cache_frozen_features", "true"}));
  const auto weights = [](const std::string& run, const std::string& step) {
    return read_safetensors(tiny_project() / run / "checkpoints" / step / "weights.safetensors").tensors;
  };
  const NamedTensors before = weights("before", "step_00000004"), after = weights("locked", "step_00000016");
  for (const auto& [name, tensor] : before) {
    EXPECT_EQ(tensor.equal(after.at(name)), name.starts_with("visual.") || name == "logit_scale") << name;
  }
}

TEST(Continuation, RepeatedSpikesRollTheWeightsBack) {
  // Gradients grow with the inverse temperature: after the change every step is an outlier.
  const auto train_more = [](const Arguments& more) {
    Arguments all = {"--optimizer.spike_guard.enabled",
                     "true",
                     "--optimizer.spike_guard.rollback_after_steps",
                     "3",
                     "--eval.every_epochs",
                     "0",
                     "--schedule.kind",
                     "constant",
                     "--loss.kind",
                     "info_nce",
                     "--retrieval.kind",
                     "none",
                     "--retrieval.learn_beta",
                     "false",
                     "--data.val",
                     "[]"};
    all.insert(all.end(), more.begin(), more.end());
    return run_cloob(tiny_project(), train_arguments("spiky", all));
  };
  const ProgramResult calm = train_more({"--train.steps", "30", "--loss.inv_tau", "1"});
  EXPECT_EQ(calm.exit_status, 0) << calm.errors;
  EXPECT_EQ(last_metrics("spiky")["train/skipped_steps"], 0);
  const ProgramResult wild = train_more({"--train.steps", "60", "--loss.inv_tau", "100", "--resume", "auto"});
  EXPECT_EQ(wild.exit_status, 2);
  EXPECT_THAT(wild.errors, HasSubstr("step 31 skipped: its gradient norm is"));
  EXPECT_THAT(wild.errors, HasSubstr("is an outlier"));
  EXPECT_THAT(wild.errors, HasSubstr("step 33: the weights and the optimizer were rolled back to"));
  EXPECT_THAT(wild.errors, HasSubstr("step_00000027; data and schedule continue"));
  EXPECT_THAT(wild.errors, HasSubstr("step 36: training became unstable: 3 steps in a row were skipped"));
  EXPECT_EQ(last_metrics("spiky")["train/skipped_steps"], 5);
}

TEST(Continuation, AResumedRunRemembersItsRollback) {
  run_or_fail(train_arguments("rolled_back", {"--train.steps", "4"}));
  Checkpoint saved = load_checkpoint(tiny_project() / "rolled_back" / "checkpoints" / "step_00000004",
                                     CheckpointPart::everything);
  saved.training.at("run.rolled_back_at").fill_(3);
  const fs::path edited = CheckpointStore(tiny_project() / "edited", {}).save(saved);
  run_or_fail(train_arguments("remembers", {"--resume", edited.string()}));
  EXPECT_EQ(final_tensors(tiny_project() / "remembers")
                .at("training.safetensors:run.rolled_back_at")
                .item<std::int64_t>(),
            3);
}

TEST(Continuation, AProfileConsistsOfATableAndATrace) {
  const ProgramResult result =
      run_cloob(tiny_project(), train_arguments("profiled", {"--profile", "3", "--train.steps", "8"}));
  EXPECT_EQ(result.exit_status, 0) << result.errors;
  for (const char* stage : {"wait for data", "encode images", "encode texts", "objective", "backward",
                            "optimizer", "whole step", "aten::"})
    EXPECT_THAT(result.output, HasSubstr(stage));
  EXPECT_THAT(result.errors, Not(HasSubstr("USDT")));
  const nlohmann::json trace = nlohmann::json::parse(read_file(tiny_project() / "profiled" / "trace.json"));
  EXPECT_FALSE(trace["traceEvents"].empty());
  EXPECT_THAT(run_cloob(tiny_project(), train_arguments("profiled", {"--profile", "0"})).errors,
              HasSubstr("--profile"));
}

}  // namespace
}  // namespace cloob::testing

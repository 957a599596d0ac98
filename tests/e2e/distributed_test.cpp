// Several processes train one run: as one process would, and never longer than a lost rank allows.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/named_tensors.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr int kKilled = 128 + SIGKILL, kTerminated = 128 + SIGTERM, kRankFailure = 75;

// A vision transformer, whose normalization does not depend on how a batch is divided.
Words training(const std::string& run, const Words& more) {
  Words arguments = train_arguments(
      run, {"--model", (source_dir() / "configs/test/test-vit.yaml").string(), "--train.threads", "1",
            "--train.timeout_seconds", "4", "--train.precision", "fp32", "--eval.every_epochs", "0"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Words on_ranks(int ranks, const Words& launch_options, const Words& command) {
  Words arguments = {"launch", "--nproc", std::to_string(ranks)};
  arguments.insert(arguments.end(), launch_options.begin(), launch_options.end());
  arguments.emplace_back("--");
  arguments.insert(arguments.end(), command.begin(), command.end());
  return arguments;
}

std::vector<double> losses(const std::string& run) {
  std::vector<double> values;
  for (const std::string& line : split(read_file(tiny_project() / run / "metrics.jsonl"), '\n')) {
    if (line.empty()) continue;
    const auto record = nlohmann::json::parse(line);
    if (record.contains("train/loss")) values.push_back(record["train/loss"].get<double>());
  }
  return values;
}

// The process of a rank of the run, by its command line and its environment.
std::optional<pid_t> find_rank(const std::string& run, int rank) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto process = parse_integer(entry.path().filename().string());
    if (!process) continue;
    std::error_code ignored;
    std::string command, environment;
    try {
      command = read_file(entry.path() / "cmdline");
      environment = read_file(entry.path() / "environ");
    } catch (const std::exception&) {  // it has ended
      continue;
    }
    const std::string variable = fmt::format("\nRANK={}\n", rank);
    std::ranges::replace(environment, '\0', '\n');
    if (command.find(run) != std::string::npos && ("\n" + environment).find(variable) != std::string::npos)
      return static_cast<pid_t>(*process);
  }
  return std::nullopt;
}

struct Disturbed {
  int status = 0;
  double seconds = 0;  ///< from the signal to the end of all processes
};

// Sends a signal to one rank after a few steps.
Disturbed disturb(const std::string& run, int rank, int signal_number, const Words& launch_options,
                  const Words& more) {
  BackgroundProgram program(tiny_project(), on_ranks(2, launch_options, training(run, more)));
  wait_for_lines(program, tiny_project() / run, 4);
  const auto process = find_rank(run, rank);
  if (!process) return {-1, 0};
  const auto begin = std::chrono::steady_clock::now();
  ::kill(*process, signal_number);
  const int status = program.wait();
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  EXPECT_FALSE(find_rank(run, 0) || find_rank(run, 1)) << "a rank is left behind";
  return {status, time.count()};
}

TEST(Distributed, TwoRanksTrainLikeOneProcess) {
  ASSERT_EQ(run_cloob(tiny_project(), training("one", {})).exit_status, 0);
  const ProgramResult two = run_cloob(tiny_project(), on_ranks(2, {}, training("two", {})));
  ASSERT_EQ(two.exit_status, 0) << two.errors;
  const std::vector<double> expected = losses("one"), found = losses("two");
  ASSERT_EQ(found.size(), 16u);
  for (std::size_t step = 0; step < found.size(); ++step)
    EXPECT_NEAR(found[step], expected[step], 1e-4) << step;
  EXPECT_EQ(std::ranges::count(two.errors, '\n'),
            std::ranges::count(read_file(tiny_project() / "two/log.txt"), '\n') - 1)
      << "only rank 0 speaks: " << two.errors;
}

TEST(Distributed, AKilledRankEndsAllAndARestartEndsLikeAnUndisturbedRun) {
  ASSERT_EQ(run_cloob(tiny_project(), on_ranks(2, {}, training("calm", {}))).exit_status, 0);
  const Disturbed killed = disturb("killed", 1, SIGKILL, {}, {});
  EXPECT_EQ(killed.status, kKilled);
  EXPECT_LT(killed.seconds, 15);
  EXPECT_EQ(run_cloob(tiny_project(), on_ranks(2, {}, training("killed", {"--resume", "auto"}))).exit_status,
            0);
  expect_same_bits(final_tensors(tiny_project() / "killed"), final_tensors(tiny_project() / "calm"));

  EXPECT_EQ(disturb("restarted", 0, SIGKILL, {"--max-restarts", "1"}, {}).status, 0);
  expect_same_bits(final_tensors(tiny_project() / "restarted"), final_tensors(tiny_project() / "calm"));
}

TEST(Distributed, AStoppedRankEndsAllAfterTheTimeout) {
  for (const int rank : {0, 1}) {
    const Disturbed stopped =
        disturb(fmt::format("stopped{}", rank), rank, SIGSTOP, {}, {"--train.steps", "100000"});
    EXPECT_EQ(stopped.status, kRankFailure);
    EXPECT_LT(stopped.seconds, 45);
  }
}

TEST(Distributed, ASignalToOneRankSavesOnAll) {
  EXPECT_EQ(disturb("asked", 1, SIGTERM, {}, {"--train.steps", "100000"}).status, kTerminated);
  EXPECT_THAT(read_file(tiny_project() / "asked/log.txt"), HasSubstr("stopped after step"));
  // Further ranks, or fewer, continue.
  const auto steps = std::ssize(losses("asked"));
  const ProgramResult more = run_cloob(
      tiny_project(),
      on_ranks(3, {}, training("asked", {"--resume", "auto", "--train.steps", std::to_string(steps + 3)})));
  EXPECT_EQ(more.exit_status, 0) << more.errors;
  EXPECT_EQ(std::ssize(losses("asked")), steps + 3);
}

const Words& sharded_settings() {
  static const Words settings = {"--distributed.shard_optimizer", "true", "--checkpoint.sharded", "true"};
  return settings;
}

Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// All of the newest checkpoint.
NamedTensors newest_checkpoint(const std::string& run) {
  const auto path = resolve_checkpoint(tiny_project() / run).path;
  const Checkpoint checkpoint = load_checkpoint(path, CheckpointPart::everything);
  NamedTensors all = checkpoint.weights;
  for (const auto& [name, tensor] : checkpoint.training) all["training:" + name] = tensor;
  return all;
}

TEST(Distributed, AShardedRunIsTheSameAndContinuesOnAnyNumberOfRanks) {
  const Words& sharded = sharded_settings();
  const Words constant = {"--schedule.kind", "constant"};
  const auto train = [&](const std::string& run, int ranks, const Words& first, const Words& second) {
    Words more = first;
    more.insert(more.end(), second.begin(), second.end());
    more.insert(more.end(), constant.begin(), constant.end());
    const ProgramResult result = run_cloob(tiny_project(), on_ranks(ranks, {}, training(run, more)));
    ASSERT_EQ(result.exit_status, 0) << result.errors;
  };
  train("whole", 3, {}, {});
  train("sharded", 3, sharded, {});
  expect_same_bits(newest_checkpoint("sharded"), newest_checkpoint("whole"));
  EXPECT_TRUE(fs::exists(resolve_checkpoint(tiny_project() / "sharded").path /
                         "training-00002-of-00003.safetensors"));

  train("continued", 3, sharded, {"--train.steps", "6"});
  train("continued", 3, sharded, {"--train.steps", "11", "--resume", "auto"});
  train("continued", 2, {}, {"--train.steps", "16", "--resume", "auto"});
  const std::vector<double> expected = losses("whole"), found = losses("continued");
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t step = 0; step < found.size(); ++step) {
    EXPECT_NEAR(found[step], expected[step], step < 11 ? 0 : 1e-4) << step;
  }
}

TEST(Distributed, ResumedRunsDrawTheSameRandomNumbers) {
  const Words random = {"--model.image.patch_dropout", "0.5", "--schedule.kind", "constant"};
  const auto train = [&](const std::string& run, const Words& more) {
    const ProgramResult result =
        run_cloob(tiny_project(), on_ranks(2, {}, training(run, joined(random, more))));
    ASSERT_EQ(result.exit_status, 0) << result.errors;
  };
  train("drawn", {"--train.steps", "9"});
  for (const Words& settings : {Words(), sharded_settings()}) {
    const std::string run = fmt::format("drawn_again{}", settings.size());
    train(run, joined(settings, {"--train.steps", "5"}));
    train(run, joined(settings, {"--train.steps", "9", "--resume", "auto"}));
    EXPECT_EQ(losses(run), losses("drawn"));
    expect_same_bits(newest_checkpoint(run), newest_checkpoint("drawn"));
  }
}

TEST(Distributed, AnErrorOfOneRankIsToldByAll) {
  // Only rank 0 opens the run folder, which is a file.
  write_file_atomically(tiny_project() / "in_the_way", "");
  const ProgramResult failed = run_cloob(tiny_project(), on_ranks(2, {}, training("in_the_way", {})));
  EXPECT_EQ(failed.exit_status, 2);
  EXPECT_THAT(failed.errors, HasSubstr("error: rank 0: "));
  EXPECT_THAT(failed.errors, ContainsRegex("error: rank 1: rank 0 of 2 on .* failed: .*in_the_way"));
}

// The shards that the commands of each rank were started for, in order.
std::map<std::string, Words> started_by_rank() {
  std::map<std::string, Words> started;
  for (const std::string& line : split(read_file(tiny_project() / "started"), '\n')) {
    const Words words = split(line, ' ');
    if (words.size() == 2) started[words[0]].push_back(words[1]);
  }
  return started;
}

TEST(Distributed, EachShardOfAStreamIsReadByOneRank) {
  write_file_atomically(tiny_project() / "read.sh",
                        "echo \"$RANK $1\" >> started; exec cat data/train/$1.tar");
  const Words pipes = {"--data.train", "pipe:sh read.sh {00000..00002}", "--data.index_folder",
                       "counts_of_pipes"};
  const auto streams = [&pipes](const std::string& run, Words more) {
    more.insert(more.end(), pipes.begin(), pipes.end());
    return training(run, more);
  };
  const ProgramResult calm = run_cloob(tiny_project(), on_ranks(2, {}, streams("piped_calm", {})));
  ASSERT_EQ(calm.exit_status, 0) << calm.errors;
  std::map<std::string, Words> started = started_by_rank();
  // Rank 0 counts the samples of all three. In every epoch it then reads two of the shards of 40, 40 and 16 samples.
  constexpr std::size_t kShards = 3, kEpochs = 4;
  ASSERT_GE(started["0"].size(), kShards + 2 * kEpochs);
  ASSERT_GE(started["1"].size(), kEpochs);
  EXPECT_EQ(std::set(started["0"].begin(), started["0"].begin() + kShards).size(), kShards);
  for (std::size_t epoch = 0; epoch < kEpochs; ++epoch) {
    const std::set<std::string> shards = {started["0"][kShards + 2 * epoch],
                                          started["0"][kShards + 2 * epoch + 1], started["1"][epoch]};
    EXPECT_EQ(shards.size(), kShards) << "epoch " << epoch;
  }

  EXPECT_EQ(disturb("piped", 1, SIGKILL, {}, pipes).status, kKilled);
  EXPECT_EQ(run_cloob(tiny_project(), on_ranks(2, {}, streams("piped", {"--resume", "auto"}))).exit_status,
            0);
  expect_same_bits(final_tensors(tiny_project() / "piped"), final_tensors(tiny_project() / "piped_calm"));

  const Words longer = {"--resume", "auto", "--train.steps", "18"};
  const ProgramResult refused = run_cloob(tiny_project(), on_ranks(3, {}, streams("piped", longer)));
  EXPECT_EQ(refused.exit_status, 2);
  EXPECT_THAT(refused.errors,
              HasSubstr("divided over 2 ranks when the checkpoint was written, and are divided over 3 "
                        "now, in another order: continue with 2 ranks, or set data.allow_reordering"));
  Words allowed = longer;
  allowed.insert(allowed.end(), {"--data.allow_reordering", "true"});
  const ProgramResult reordered = run_cloob(tiny_project(), on_ranks(3, {}, streams("piped", allowed)));
  EXPECT_EQ(reordered.exit_status, 0) << reordered.errors;
  EXPECT_THAT(reordered.errors, HasSubstr("divided over 3 ranks and no longer over 2"));
  EXPECT_EQ(std::ssize(losses("piped")), 18);

  const ProgramResult idle = run_cloob(tiny_project(), on_ranks(4, {}, streams("piped_idle", {})));
  EXPECT_EQ(idle.exit_status, 2);
  EXPECT_THAT(idle.errors, HasSubstr("has 3 shards for 4 ranks"));
}

// Expects that an error of one of two ranks is told by both, and that the state after `steps` steps was saved.
void expect_saved_after_error(const ProgramResult& failed, const std::string& run, int rank,
                              const std::string& message, std::int64_t steps) {
  EXPECT_EQ(failed.exit_status, 2);
  EXPECT_THAT(failed.errors, ContainsRegex(fmt::format("error: rank {}: .*{}", rank, message)));
  EXPECT_THAT(failed.errors, ContainsRegex(fmt::format("error: rank {}: rank {} of 2 on .* failed: .*{}",
                                                       1 - rank, rank, message)));
  EXPECT_EQ(std::ssize(losses(run)), steps);
  EXPECT_EQ(load_training_state(resolve_checkpoint(tiny_project() / run).path).step, steps);
}

// A run whose `failing` rank cannot start command number `failing_start`, until there is a file "mended.RUN".
Words training_on_failing_pipes(const std::string& run, int failing, int failing_start, const Words& more) {
  const std::string pipes =
      fmt::format("pipe:sh fail.sh {} {} {} {{00000..00002}}", run, failing, failing_start);
  const Words settings = {"--data.train",
                          pipes,
                          "--data.index_folder",
                          "counts_of_" + run,
                          "--data.stream.retries",
                          "0",
                          "--data.threads",
                          "1",
                          "--data.prefetch_batches",
                          "1",
                          "--checkpoint.every_steps",
                          "100"};
  return training(run, joined(settings, more));
}

TEST(Distributed, DataThatOneRankCannotReadCostsNoTraining) {
  write_file_atomically(tiny_project() / "fail.sh",
                        "[ \"$RANK\" = $2 ] && [ ! -e mended.$1 ] && echo >> reads.$1 && "
                        "[ $(wc -l < reads.$1) -ge $3 ] && exit 9; exec cat data/train/$4.tar");
  write_file_atomically(tiny_project() / "mended.readable", "");
  const ProgramResult calm =
      run_cloob(tiny_project(), on_ranks(2, {}, training_on_failing_pipes("readable", 0, 0, {})));
  ASSERT_EQ(calm.exit_status, 0) << calm.errors;
  // Rank 0 starts three commands to count the samples, and then two an epoch; rank 1 starts one an epoch.
  for (const int rank : {0, 1}) {
    const std::string run = fmt::format("unreadable{}", rank);
    const auto train = [&](const Words& more) {
      const Words command = training_on_failing_pipes(run, rank, rank == 0 ? 8 : 3, more);
      return run_cloob(tiny_project(), on_ranks(2, {}, command));
    };
    const Words settings = rank == 0 ? sharded_settings() : Words();
    const ProgramResult failed = train(settings);
    const std::int64_t steps = std::ssize(losses(run));
    ASSERT_TRUE(steps > 0 && steps < 16) << failed.errors;
    expect_saved_after_error(failed, run, rank, "the command exited with status 9", steps);
    write_file_atomically(tiny_project() / ("mended." + run), "");
    const ProgramResult resumed = train(joined(settings, {"--resume", "auto"}));
    ASSERT_EQ(resumed.exit_status, 0) << resumed.errors;
    expect_same_bits(newest_checkpoint(run), newest_checkpoint("readable"));
  }
}

// Four labeled images, of which the first two are those of rank 0.
void write_labeled_images(const std::string& folder, int wrong) {
  Members members;
  for (int image = 0; image < 4; ++image) {
    const auto picture = fs::recursive_directory_iterator(tiny_project() / "data/held_out");
    const auto found = std::ranges::find_if(
        picture, [](const fs::directory_entry& entry) { return entry.path().extension() == ".png"; });
    members.emplace_back(fmt::format("{}.png", image), read_file((*found).path()));
    members.emplace_back(fmt::format("{}.cls", image), image == wrong ? "7" : "1");
  }
  const fs::path test = tiny_project() / folder / "test";
  write_text(test / "nshards.txt", "1");
  write_text(tiny_project() / folder / "classnames.txt", "circle\nsquare\n");
  write_tar(test / "0.tar", members);
}

TEST(Distributed, AnEvaluationThatFailsOnOneRankCostsNoTraining) {
  for (const int rank : {0, 1}) {
    const std::string run = fmt::format("unevaluated{}", rank);
    const auto train = [&](const Words& more) {
      const Words settings = {
          "--eval.zero_shot",         run + "_images", "--eval.every_steps", "5", "--eval.batch_size", "1",
          "--checkpoint.every_steps", "100",           "--train.steps",      "7"};
      const Words all = joined(settings, rank == 0 ? sharded_settings() : Words());
      return run_cloob(tiny_project(), on_ranks(2, {}, training(run, joined(all, more))));
    };
    write_labeled_images(run + "_images", /*wrong=*/3 * rank);
    expect_saved_after_error(train({}), run, rank, "has the label 7, but", 5);
    write_labeled_images(run + "_images", /*wrong=*/-1);
    const ProgramResult resumed = train({"--resume", "auto"});
    EXPECT_EQ(resumed.exit_status, 0) << resumed.errors;
    EXPECT_EQ(std::ssize(losses(run)), 7);
  }
}

// The line of evaluations.jsonl of each evaluation of a step, without durations.
std::vector<nlohmann::json> evaluations(const std::string& run, int step) {
  std::vector<nlohmann::json> lines;
  for (const std::string& line : split(read_file(tiny_project() / run / "evaluations.jsonl"), '\n')) {
    if (line.empty()) continue;
    auto record = nlohmann::json::parse(line);
    if (record["step"] != step) continue;
    for (const char* name : {"time_s", "seconds"}) record.erase(name);
    lines.push_back(std::move(record));
  }
  return lines;
}

// The recipe's ResNet: all ranks have to evaluate the running statistics of rank 0.
TEST(Distributed, ValidationIsThatOfOneProcess) {
  const auto training_of = [](const std::string& run) {
    return train_arguments(
        run, {"--train.threads", "1", "--train.precision", "fp32", "--eval.before_training", "true",
              "--eval.batch_size", "5", "--eval.loss_batch_size", "8", "--checkpoint.best_metric",
              "val/text_to_image_R@1"});
  };
  ASSERT_EQ(run_cloob(tiny_project(), training_of("eval_one")).exit_status, 0);
  const ProgramResult two = run_cloob(tiny_project(), on_ranks(2, {}, training_of("eval_two")));
  ASSERT_EQ(two.exit_status, 0) << two.errors;
  EXPECT_EQ(evaluations("eval_two", 0), evaluations("eval_one", 0));  // of the same weights
  const std::vector<nlohmann::json> last = evaluations("eval_two", 16);
  ASSERT_EQ(last.size(), 1U);

  const Words pairs = {"--data",
                       "data/validation/*.tar",
                       "--data.webdataset.json_caption_field",
                       "captions",
                       "--batch-size",
                       "5",
                       "--threads",
                       "1",
                       "--json",
                       "-"};
  for (const char* command : {"retrieval", "loss"}) {
    Words arguments = {"eval", command, "eval_two"};
    arguments.insert(arguments.end(), pairs.begin(), pairs.end());
    if (std::string(command) == "loss") arguments.insert(arguments.end(), {"--loss-batch-size", "8"});
    const ProgramResult one = run_cloob(tiny_project(), arguments);
    ASSERT_EQ(one.exit_status, 0) << one.errors;
    const ProgramResult three = run_cloob(tiny_project(), on_ranks(3, {}, arguments));
    EXPECT_EQ(three.exit_status, 0) << three.errors;
    EXPECT_EQ(three.output, one.output);
    const auto numbers = nlohmann::json::parse(one.output);
    for (const auto& [name, value] : numbers.items()) {
      if (name == "objective") continue;  // a word
      EXPECT_NEAR(last[0][name].get<double>(), value.get<double>(), 1e-6) << name;
    }
  }
}

TEST(Distributed, ZeroShotEvaluationIsThatOfOneProcess) {
  ASSERT_EQ(run_cloob(tiny_project(), training("classify", {"--train.steps", "4"})).exit_status, 0);
  const Words arguments = {
      "eval",      "zero-shot", "classify", "--data", "data/held_out", "--batch-size", "5",
      "--threads", "1",         "--json",   "-"};
  const ProgramResult one = run_cloob(tiny_project(), arguments);
  ASSERT_EQ(one.exit_status, 0) << one.errors;
  const ProgramResult two = run_cloob(tiny_project(), on_ranks(2, {}, arguments));
  EXPECT_EQ(two.exit_status, 0) << two.errors;
  EXPECT_EQ(two.output, one.output);
}

TEST(Distributed, ASignalDuringAnEvaluationStopsAllAndTheResumedRunRepeatsIt) {
  Words settings = {"--eval.before_training", "true", "--eval.batch_size", "1", "--train.steps", "2"};
  const Words small = settings;
  std::string many = "data/validation/*.tar";
  for (int copy = 0; copy < 200; ++copy) many += "::data/validation/*.tar";
  settings.insert(settings.end(), {"--data.val", many});
  BackgroundProgram program(tiny_project(), on_ranks(2, {}, training("eval_asked", settings)));
  const fs::path log = tiny_project() / "eval_asked/log.txt";
  std::error_code ignored;
  while (program.is_running() &&
         !(fs::exists(log, ignored) && read_file(log).find("training on the CPU") != std::string::npos))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto process = find_rank("eval_asked", 1);
  ASSERT_TRUE(process);
  ::kill(*process, SIGTERM);
  EXPECT_EQ(program.wait(), kTerminated);
  EXPECT_THAT(read_file(log), HasSubstr("stopped; a resumed run evaluates step 0 again"));
  Words resumed = small;
  resumed.insert(resumed.end(), {"--resume", "auto"});
  const ProgramResult result = run_cloob(tiny_project(), on_ranks(2, {}, training("eval_asked", resumed)));
  EXPECT_EQ(result.exit_status, 0) << result.errors;
  EXPECT_EQ(evaluations("eval_asked", 0).size(), 1U);
}

TEST(Distributed, CommandsOfOneProcessSaySo) {
  const ProgramResult result = run_cloob(tiny_project(), on_ranks(2, {}, training("none", {"--dry-run"})));
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors,
              HasSubstr("'cloob train --dry-run' runs in one process, but torchrun started 2"));
}

TEST(Distributed, AnErrorInAnEvaluationIsToldByAll) {
  const Words evaluation = {"eval", "retrieval", "none", "--data", "data/validation/*.tar"};
  const ProgramResult missing = run_cloob(tiny_project(), on_ranks(2, {}, evaluation));
  EXPECT_EQ(missing.exit_status, 2);  // rank 0 looks for the checkpoint
  EXPECT_THAT(missing.errors, HasSubstr("error: rank 0: 'none' does not exist"));
  EXPECT_THAT(missing.errors,
              ContainsRegex("error: rank 1: rank 0 of 2 on .* failed: 'none' does not exist"));
}

}  // namespace
}  // namespace cloob::testing

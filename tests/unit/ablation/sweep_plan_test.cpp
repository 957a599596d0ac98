// The settings of the runs, plan.json, and what makes two plans different.

#include "cloob/ablation/sweep_plan.h"

#include <fmt/core.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "cloob/ablation/slurm.h"
#include "cloob/base/files.h"
#include "cloob/base/parallel.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;

class SweepPlans : public ::testing::Test {
 protected:
  SweepPlans() { write_base("optimizer: {lr: 1e-3}\n"); }
  void write_base(const std::string& more) const {
    write_file_atomically(
        folder_ / "base.yaml",
        fmt::format("include: {}/configs/test/test-resnet.yaml\n"
                    "data: {{train: none.tar}}\ntrain: {{global_batch_size: 8, epochs: 2}}\n{}",
                    testing::source_dir().string(), more));
  }
  SweepPlan plan(const std::string& text, const std::optional<FixedSettings>& earlier = {}) const {
    write_file_atomically(folder_ / "sweep.yaml", "base: base.yaml\n" + text);
    return resolve_plan(read_sweep(folder_ / "sweep.yaml"), earlier);
  }

  TempDir folder_;
};

constexpr const char* kSweep = R"(
settings: {train.steps: 9, train.precision: fp32, train.device: cpu}
axes:
  objective:
    CLIP: {objective: clip}
    CLOOB: {objective: cloob}
search:
  metric: val/image_to_text_R@1
  settings: {optimizer.lr: [2e-3, 3e-3]}
  trial_settings: {train.epochs: 1, data.val: dev.tsv}
seeds: [4]
threads: 3
)";

TEST_F(SweepPlans, GiveEveryRunItsSettings) {
  const SweepPlan resolved = plan(kSweep);
  ASSERT_EQ(resolved.runs.size(), 6u);
  const ResolvedRun& trial = resolved.runs[3];
  EXPECT_EQ(trial.run.name, "objective=CLOOB,trial=1");
  EXPECT_EQ(trial.config.loss.kind, LossKind::info_loob);
  EXPECT_EQ(trial.config.retrieval.kind, RetrievalKind::hopfield);
  EXPECT_EQ(trial.config.optimizer.lr, 3e-3);
  EXPECT_EQ(trial.config.train.epochs, 1.0) << "replaces the steps of all runs";
  EXPECT_FALSE(trial.config.train.steps);
  EXPECT_EQ(trial.config.train.seed, 5);
  EXPECT_EQ(trial.settings.at("optimizer.lr"), "0.003");
  EXPECT_EQ(trial.settings.at("objective"), "cloob");
  EXPECT_EQ(trial.settings.at("data.val"), "[dev.tsv]");
  EXPECT_FALSE(trial.settings.contains("train.precision")) << "of all runs";
  const ResolvedRun& final_run = resolved.runs[5];
  EXPECT_EQ(final_run.config.train.steps, 9);
  EXPECT_EQ(final_run.config.train.seed, 4);
  EXPECT_EQ(final_run.config.optimizer.lr, 1e-3) << "the search decides";
  EXPECT_FALSE(final_run.settings.contains("optimizer.lr"));
  EXPECT_EQ(final_config(resolved, final_run.run, trial.run.searched).optimizer.lr, 3e-3);
  for (const ResolvedRun& run : resolved.runs) {
    EXPECT_EQ(run.config.train.threads, 3);
    EXPECT_EQ(run.config.data.threads, 3);
    EXPECT_EQ(run.config.train.device, DeviceChoice::cpu);
    EXPECT_EQ(run.config.train.precision, Precision::fp32);
  }
}

TEST_F(SweepPlans, FixWhatTheMachineWouldDecide) {
  const SweepPlan here = plan("");
  EXPECT_EQ(here.fixed.threads, resolve_threads(0));
  EXPECT_TRUE(here.runs[0].config.train.precision);
  EXPECT_NE(here.runs[0].config.train.device, DeviceChoice::auto_);
  EXPECT_THAT(here.from_machine, ::testing::ElementsAre("threads", "train.device", "train.precision"));
  // Continued on another machine.
  const FixedSettings other{.threads = 17, .device = DeviceChoice::cpu, .precision = Precision::bf16};
  const SweepPlan continued = plan("", other);
  EXPECT_EQ(continued.runs[0].config.train.threads, 17);
  EXPECT_EQ(continued.runs[0].config.train.precision, Precision::bf16);
  expect_user_error([&] { require_independent_of_machine(here); },
                    {"set threads and train.device and train.precision in the sweep"});
  EXPECT_NO_THROW(require_independent_of_machine(plan(kSweep)));
}

TEST_F(SweepPlans, TakeAnotherModel) {
  const SweepPlan resolved = plan("axes: {model: {small: {model: tiny-resnet}, vit: {model: tiny-vit}}}\n");
  EXPECT_EQ(resolved.runs[0].config.model.image.kind, ImageEncoderKind::resnet);
  EXPECT_EQ(resolved.runs[1].config.model.image.kind, ImageEncoderKind::vit);
  EXPECT_EQ(resolved.runs[1].settings.at("model"), "tiny-vit");
  expect_user_error([&] { plan("settings: {model: tiny}\n"); },
                    {"sweep.yaml:2:19: ", "'tiny' is neither a file nor"});
}

TEST_F(SweepPlans, DifferIfAModelFileHasBeenEdited) {
  const std::string file = folder_ / "b.yaml";
  std::string model = read_file(testing::source_dir() / "configs/model/tiny-resnet.yaml");
  write_file_atomically(file, model);
  const std::string text = "axes: {model: {a: {}, b: {model: " + file + "}}}\n";
  const std::string before = plan_json(plan(text));
  EXPECT_THAT(plan_differences(before, plan_json(plan(text)), "plan.json"), ::testing::IsEmpty());
  write_file_atomically(file, model.replace(model.find("embed_dim: 256"), 14, "embed_dim: 128"));
  EXPECT_THAT(
      plan_differences(before, plan_json(plan(text)), "plan.json"),
      ::testing::ElementsAre(::testing::HasSubstr("model=b,seed=0: model.embed_dim is \"128\", was ")));
}

TEST_F(SweepPlans, RefuseSettingsThatAreWrongAndNameRunAndPlace) {
  const auto wrong = [&](const std::string& text) { return [=, this] { plan(text); }; };
  expect_user_error(wrong("axes: {a: {x: {}, y: {optimizer.rl: 1}}}\n"),
                    {"sweep.yaml:2:23: unknown setting 'optimizer.rl', did you mean 'optimizer.lr'?",
                     "(in the run a=y,seed=0)"});
  expect_user_error(wrong("axes: {a: {x: {optimizer.lr: -1}}}\n"),
                    {"sweep.yaml:2:30: optimizer.lr is -1, must be in [0, 10]", "(in the run a=x,seed=0)"});
  // What only a final run with the choice of the search would meet.
  expect_user_error(
      wrong("settings: {train.cuda_graph: true}\nsearch: {metric: a, settings: "
            "{train.gradient_checkpointing: [false, true]}, trial_settings: {train.cuda_graph: false}}\n"),
      {"train.cuda_graph cannot capture a step", "(in the run seed=0)"});
  write_base("loss: {kind: info_nce}\n");
  expect_user_error(
      wrong("axes: {o: {CLIP: {objective: clip}, CLOOB: {objective: cloob}}}\n"),
      {"sweep.yaml:2:56: the objective is to be cloob, but with loss.kind and retrieval.kind it is "
       "info_nce_hopfield (loss.kind is set at",
       "base.yaml:4:14)"});
}

TEST_F(SweepPlans, CheckTheDataOfEveryRunOnce) {
  SweepPlan resolved = plan(kSweep);
  const SweepCheck check = check_sweep(resolved, "", SingleProcess());
  ASSERT_EQ(check.errors.size(), 2u);
  EXPECT_THAT(check.errors[0], ::testing::HasSubstr("none.tar"));
  EXPECT_THAT(check.errors[0], ::testing::HasSubstr("(in the run objective=CLIP,trial=0)"));
  EXPECT_THAT(check.errors[1], ::testing::HasSubstr("dev.tsv"));
  EXPECT_THAT(check.warnings, ::testing::ElementsAre(::testing::HasSubstr("nothing is evaluated")));
  EXPECT_EQ(resolved.runs[5].steps, 9);
  EXPECT_FALSE(resolved.runs[0].steps) << "epochs of data that is missing";
}

TEST_F(SweepPlans, NeedADirectionIfTheMetricHasNone) {
  std::string text = kSweep;
  text.replace(text.find("val/image_to_text_R@1"), 21, "val/modality_gap");
  SweepPlan resolved = plan(text);
  EXPECT_THAT(
      check_sweep(resolved, "", SingleProcess()).errors,
      ::testing::Contains(::testing::HasSubstr("search.direction is not set, and of val/modality_gap")));
}

TEST_F(SweepPlans, AreWrittenAsJson) {
  SweepPlan resolved = plan(kSweep);
  resolved.runs[5].steps = 9;
  const auto json = nlohmann::json::parse(plan_json(resolved));
  EXPECT_EQ(json["format"], 1);
  EXPECT_EQ(json["name"], "sweep");
  EXPECT_EQ(json["axes"], nlohmann::json::parse(R"([{"name": "objective", "values": ["CLIP", "CLOOB"]}])"));
  EXPECT_EQ(json["seeds"], nlohmann::json::parse("[4]"));
  EXPECT_EQ(json["search"],
            nlohmann::json::parse(R"({"metric": "val/image_to_text_R@1", "direction": "max", "trials": 2})"));
  EXPECT_EQ(json["threads"], 3);
  EXPECT_EQ(json["precision"], "fp32");
  const auto& trial = json["runs"][3];
  EXPECT_EQ(trial["name"], "objective=CLOOB,trial=1");
  EXPECT_EQ(trial["folder"], "runs/objective=CLOOB,trial=1");
  EXPECT_EQ(trial["kind"], "trial");
  EXPECT_EQ(trial["values"], nlohmann::json::parse(R"({"objective": "CLOOB"})"));
  EXPECT_EQ(trial["seed"], 5);
  EXPECT_EQ(trial["trial"], 1);
  EXPECT_EQ(trial["settings"]["optimizer.lr"], "0.003");
  EXPECT_EQ(json["runs"][5]["kind"], "final");
  EXPECT_TRUE(json["runs"][5]["trial"].is_null());
  EXPECT_TRUE(nlohmann::json::parse(plan_json(plan("")))["search"].is_null());
  const FixedSettings fixed = read_fixed_settings(plan_json(resolved), "plan.json");
  EXPECT_EQ(fixed.threads, 3);
  EXPECT_EQ(fixed.precision, Precision::fp32);
}

TEST_F(SweepPlans, DifferInWhatTheResultsDependOn) {
  const std::string before = plan_json(plan(kSweep));
  const auto differences = [&](const std::string& text) {
    return plan_differences(before, plan_json(plan(text)), "plan.json");
  };
  const std::string text = kSweep;
  EXPECT_THAT(differences(text), ::testing::IsEmpty());
  EXPECT_THAT(differences(std::string(text).replace(text.find("threads: 3"), 10, "threads: 2")),
              ::testing::Contains("threads is 2, was 3"));
  EXPECT_THAT(differences(std::string(text).replace(text.find("[4]"), 3, "[4, 5]")),
              ::testing::Contains("the run objective=CLIP,seed=5 is new"));
  EXPECT_THAT(differences(std::string(text).replace(text.find("3e-3"), 4, "4e-3")),
              ::testing::Contains("objective=CLIP,trial=1: optimizer.lr is \"0.004\", was \"0.003\""));
  write_base("optimizer: {lr: 1e-3, weight_decay: 0.3}\n");
  EXPECT_THAT(differences(text), ::testing::ElementsAre("optimizer.weight_decay is \"0.3\", was null"));
  expect_user_error([] { plan_differences("{}", "{}", "plan.json"); },
                    {"'plan.json' is not the plan of a sweep"});
  expect_user_error([] { plan_differences("[[", "{}", "plan.json"); }, {"'plan.json' is not JSON"});
  expect_user_error([] { read_fixed_settings(R"({"runs": [], "format": 9})", "plan.json"); },
                    {"another version"});
  expect_user_error([] { read_fixed_settings(R"({"runs": [], "format": 1})", "plan.json"); }, {"threads"});
}

TEST_F(SweepPlans, BecomeAScriptForSlurm) {
  const SweepPlan resolved = plan(kSweep);
  const std::string script = slurm_script(resolved, "/opt/my cloob", "/my work", "runs/out");
  EXPECT_THAT(script, ::testing::HasSubstr("#SBATCH --cpus-per-task=3\n#SBATCH --output="));
  EXPECT_THAT(script, ::testing::HasSubstr("trials=(\n  objective=CLIP,trial=0\n"));
  EXPECT_THAT(script, ::testing::HasSubstr("finals=(\n  objective=CLIP,seed=4\n  objective=CLOOB,seed=4\n)"));
  EXPECT_THAT(script, ::testing::HasSubstr("cd '/my work' || exit 1\nexec '/opt/my cloob' ablate "));
  expect_user_error([&] { slurm_script(resolved, "/p", "/w", "my runs"); }, {"choose another --out"});
}

}  // namespace
}  // namespace cloob

// cloob report on a small sweep of real runs.
#include <fmt/core.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "e2e/fixture.h"
#include "support/sweep_folder.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string run_or_fail(const std::vector<std::string>& arguments) {
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 0) << result.errors;
  return result.output;
}

void expect_refused(const std::vector<std::string>& arguments, const std::string& part) {
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr(part));
}

// Two objectives and two seeds, without values in results.csv, so that those of the runs are read.
const SweepFolder& tiny_sweep() {
  static const SweepFolder sweep = [] {
    SweepFolder made{.axes = {{"objective", {"CLIP & <co>", "CLOOB"}}}, .seeds = {0, 1}, .runs = {}};
    for (const std::string value : {"CLIP & <co>", "CLOOB"}) {
      for (const std::int64_t seed : {0, 1}) made.runs.push_back({{value}, seed});
    }
    made.has_run_folders = false;
    made.run_name_prefix = "run of ";
    write_sweep_folder(tiny_project() / "sweep", made);
    for (const SweepFolderRun& run : made.runs) {
      const bool is_clip = run.values[0] != "CLOOB";
      run_or_fail(train_arguments(
          "sweep/runs/" + run_name(made, run),
          {"--train.steps", "8", "--train.seed", fmt::format("{}", run.seed), "--loss.kind",
           is_clip ? "info_nce" : "info_loob", "--retrieval.kind", is_clip ? "none" : "hopfield"}));
    }
    return made;
  }();
  return sweep;
}

TEST(Report, OfASweepHasVerdictTestsCurvesAndRetrievals) {
  tiny_sweep();
  const std::string output =
      run_or_fail({"report", "sweep", "--out", "sweep_page", "--retrievals", "3", "--threads", "2"});
  EXPECT_THAT(output, AllOf(HasSubstr("CLOOB"), HasSubstr("no system has left the level of chance"),
                            HasSubstr("Tests: image to text, recall at 10, %"), HasSubstr("2 of 2")));
  EXPECT_THAT(run_or_fail({"report", "sweep", "--out", "alignment_page", "--metric", "val/alignment"}),
              AllOf(HasSubstr("Paired t-test over two seeds."), HasSubstr("Tests: alignment of pairs")));
  const std::string page = read_file(tiny_project() / "sweep_page/index.html");
  EXPECT_THAT(page, AllOf(HasSubstr("Retrievals: what captions find"),
                          HasSubstr("Retrievals: nearest stored patterns"), HasSubstr("finds it in place"),
                          HasSubstr("of 32"), HasSubstr("data:image/jpeg;base64,"),
                          HasSubstr("CLIP &amp; &lt;co&gt;"), HasSubstr("CLOOB, seed 0, by the caption")));
  EXPECT_THAT(page, AllOf(HasSubstr("validation loss, info_nce"), HasSubstr("class=\"band"),
                          HasSubstr("retrieval.kind"), HasSubstr("entropy of the Hopfield retrieval")));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("<co>")), Not(HasSubstr("missing:")), Not(HasSubstr("train.seed"))));
  EXPECT_THAT(read_file(tiny_project() / "sweep_page/report.md"), HasSubstr("## Results"));
  EXPECT_THAT(read_file(tiny_project() / "sweep_page/report.csv"),
              AllOf(::testing::StartsWith("objective,metric,better,"),
                    HasSubstr("\nCLOOB,val/image_to_text_R@10,higher,2,")));
  const auto results = nlohmann::json::parse(read_file(tiny_project() / "sweep_page/results.json"));
  EXPECT_EQ(results["metrics"]["val/image_to_text_R@10"]["CLOOB"]["test"]["pairs"], 2);
  run_or_fail({"report", "sweep", "--out", "sweep_page"});
}

TEST(Report, OfAnIncompleteSweepSaysWhatIsMissing) {
  SweepFolder sweep = tiny_sweep();
  sweep.runs[1].status = "failed";
  sweep.runs[2].status = "waiting";
  write_sweep_folder(tiny_project() / "incomplete", sweep);
  fs::copy(tiny_project() / "sweep/runs", tiny_project() / "incomplete/runs", fs::copy_options::recursive);
  for (const std::size_t run : {1, 2})
    fs::remove_all(tiny_project() / "incomplete/runs" / run_name(sweep, sweep.runs[run]));
  fs::remove_all(tiny_project() / "incomplete/runs" / run_name(sweep, sweep.runs[3]) / "checkpoints");
  const std::string output = run_or_fail(
      {"report", "incomplete", "--out", "incomplete_page", "--retrievals", "1", "--metric", "val/alignment"});
  EXPECT_THAT(output, AllOf(HasSubstr("2 of 4 runs are done, 1 failed, 1 not finished"),
                            HasSubstr("no seed with which both have finished")));
  EXPECT_THAT(read_file(tiny_project() / "incomplete_page/index.html"),
              AllOf(HasSubstr("CLOOB has no checkpoint to show retrievals of."),
                    HasSubstr("Failed: run of objective=CLIP")));
}

// The folder of the trial is gone, and its file of settings names the same data in another way.
TEST(Report, OfASweepNamesTrialsJudgedOnReportedData) {
  const SweepFolder& sweep = tiny_sweep();
  const fs::path folder = tiny_project() / "with_trial";
  fs::remove_all(folder);
  fs::copy(tiny_project() / "sweep", folder, fs::copy_options::recursive);
  auto plan = nlohmann::ordered_json::parse(read_file(folder / "plan.json"));
  plan["search"] = {{"metric", "val/image_to_text_R@10"}, {"direction", "max"}, {"trials", 1}};
  plan["runs"][0]["kind"] = "trial";
  write_file_atomically(folder / "plan.json", plan.dump());
  const fs::path trial = folder / "runs" / run_name(sweep, sweep.runs[0]);
  std::string settings = read_file(trial / "config.yaml");
  const std::string name = "val: [";
  ASSERT_NE(settings.find(name), std::string::npos);
  settings.insert(settings.find(name) + name.size(), "./");
  write_file_atomically(trial.string() + ".yaml", settings);
  fs::remove_all(trial);
  run_or_fail({"report", "with_trial", "--out", "trial_page"});
  EXPECT_THAT(read_file(tiny_project() / "trial_page/report.md"),
              HasSubstr("Trials were judged on the same data"));
}

TEST(Report, RefusesWhatItCannotCompare) {
  const std::string run = "sweep/runs/" + run_name(tiny_sweep(), tiny_sweep().runs[0]);
  expect_refused({"report", "sweep", run, "--out", "no"}, "report sweeps and single runs separately");
  expect_refused({"report", "sweep", "--out", "no", "--compare", "objectve"}, "did you mean 'objective'");
  expect_refused({"report", "sweep", "--out", "no", "--baseline", "CLOOBS"}, "did you mean 'CLOOB'");
  expect_refused({"report", "a=" + run, "--out", "no", "--metric", "val/loss"},
                 "--metric is for the folder of a sweep");
  EXPECT_FALSE(fs::exists(tiny_project() / "no"));
}

TEST(Report, OfRunsShowsTheirRetrievals) {
  const std::string run = "sweep/runs/" + run_name(tiny_sweep(), tiny_sweep().runs[2]);
  run_or_fail({"report", "a=" + run, "--out", "run_page", "--retrievals", "2"});
  EXPECT_THAT(read_file(tiny_project() / "run_page/index.html"),
              AllOf(HasSubstr("finds it in place"), HasSubstr("a, by the image")));
  EXPECT_THAT(read_file(tiny_project() / "run_page/report.csv"), HasSubstr("a,val/loss,"));
}

// Episodes of three steps, of which the first one clusters nothing.
std::vector<std::string> episodes_arguments(const std::string& run) {
  return train_arguments(
      run, {"--task.kind", "protoclip", "--protoclip.episode_samples", "72", "--protoclip.prototypes", "12",
            "--protoclip.projection_hidden_dim", "32", "--resume", "auto"});
}

TEST(Report, ShowsTheFirstAndTheLastEpisode) {
  run_or_fail(episodes_arguments("episodes_run"));
  EXPECT_TRUE(fs::exists(tiny_project() / "episodes_run/episodes/episode_5.json"));
  run_or_fail({"report", "proto=episodes_run", "--out", "episodes_page"});
  const std::string page = read_file(tiny_project() / "episodes_page/index.html");
  EXPECT_THAT(page,
              AllOf(HasSubstr("<summary>Episodes of proto</summary>"),
                    HasSubstr("<h2>Episode 1, after 72 samples: images and texts</h2>"),
                    HasSubstr("<h2>Episode 5, after 360 samples: the 10 largest clusters of texts</h2>"),
                    HasSubstr("72 of 72 samples."), Not(HasSubstr("Episode 2,"))));
  write_file_atomically(tiny_project() / "episodes_run/episodes/episode_5.json", "[");
  const ProgramResult broken =
      run_cloob(tiny_project(), {"report", "proto=episodes_run", "--out", "episodes_page"});
  EXPECT_EQ(broken.exit_status, 0);
  EXPECT_THAT(broken.errors,
              AllOf(HasSubstr("an episode of proto is not shown"), HasSubstr("episode_5.json")));
}

TEST(Report, ARunWithoutPlaceForPicturesOfItsEpisodesGoesOn) {
  const fs::path run = tiny_project() / "no_pictures";
  {
    BackgroundProgram program(tiny_project(), episodes_arguments("no_pictures"));
    wait_for_lines(program, run, 6);
    program.send_signal(SIGTERM);
    EXPECT_EQ(program.wait(), 128 + SIGTERM);
  }
  fs::remove_all(run / "episodes");
  write_file_atomically(run / "episodes", "not a folder");
  const ProgramResult result = run_cloob(tiny_project(), episodes_arguments("no_pictures"));
  EXPECT_EQ(result.exit_status, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("the picture of episode 5 is left out"));
}

}  // namespace
}  // namespace cloob::testing

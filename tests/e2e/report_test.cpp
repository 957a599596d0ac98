// cloob report on a small sweep of real runs.
#include <fmt/core.h>

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
  EXPECT_THAT(output, AllOf(HasSubstr("CLOOB"), HasSubstr("Paired t-test over two seeds."),
                            HasSubstr("Tests: image to text, recall at 10, %"), HasSubstr("2 of 2")));
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
  const std::string output =
      run_or_fail({"report", "incomplete", "--out", "incomplete_page", "--retrievals", "1"});
  EXPECT_THAT(output, AllOf(HasSubstr("2 of 4 runs are done, 1 failed, 1 not finished"),
                            HasSubstr("no seed with which both have finished")));
  EXPECT_THAT(read_file(tiny_project() / "incomplete_page/index.html"),
              AllOf(HasSubstr("CLOOB has no checkpoint to show retrievals of."),
                    HasSubstr("Failed: run of objective=CLIP")));
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

}  // namespace
}  // namespace cloob::testing

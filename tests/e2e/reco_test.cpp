// A memory, a run that is refined with it, and evaluations, as a user runs them.

#include <ATen/ops/equal.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;
using Json = nlohmann::json;

ProgramResult run(const Words& arguments) { return run_cloob(tiny_project(), arguments); }

void expect_success(const Words& arguments) {
  const ProgramResult result = run(arguments);
  ASSERT_EQ(result.exit_status, 0) << result.errors;
}

void expect_error(const Words& arguments, const Words& parts) {
  const ProgramResult result = run(arguments);
  EXPECT_EQ(result.exit_status, 2) << result.output << result.errors;
  for (const std::string& part : parts) EXPECT_THAT(result.errors, HasSubstr(part));
}

// The towers have hardly been trained: all drawings are similar to them.
Words reco_arguments(const std::string& run_dir, const Words& more = {}) {
  Words words = {"--task.kind",
                 "reco",
                 "--reco.memory",
                 "memory",
                 "--train.initial_weights",
                 "clip",
                 "--reco.exclude_similarity",
                 "1.1"};
  words.insert(words.end(), more.begin(), more.end());
  return train_arguments(run_dir, words);
}

double accuracy(const Words& arguments) {
  Words words = {"eval", "zero-shot"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.insert(words.end(), {"--data", "data/held_out", "--json", "-"});
  const ProgramResult result = run(words);
  EXPECT_EQ(result.exit_status, 0) << result.errors;
  return Json::parse(result.output).at("acc1").get<double>();
}

// Of each step.
std::vector<double> losses_of(const std::string& run_dir) {
  std::vector<double> losses;
  for (const std::string& line : split(read_file(tiny_project() / run_dir / "metrics.jsonl"), '\n')) {
    if (line.empty()) continue;
    const Json metrics = Json::parse(line);
    if (metrics.contains("train/loss")) losses.push_back(metrics["train/loss"].get<double>());
  }
  return losses;
}

class Reco : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    expect_success(train_arguments("clip", {"--objective", "clip"}));
    expect_success({"index", "clip", "--images", "data/train/*.tar", "--texts", "--out", "memory"});
    expect_success(reco_arguments("refined", {"--checkpoint.keep_last", "10"}));
  }
};

TEST_F(Reco, TrainsWithoutChangingTheTowers) {
  const NamedTensors before = final_tensors(tiny_project() / "clip");
  const NamedTensors after = final_tensors(tiny_project() / "refined");
  std::int64_t compared = 0, fusions = 0;
  for (const auto& [name, tensor] : after) {
    if (name.starts_with("weights.safetensors:")) {
      EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
      ++compared;
    }
    fusions += name.find("reco.image_fusion.") != std::string::npos ? 1 : 0;
  }
  EXPECT_GT(compared, 20);
  EXPECT_GT(fusions, 10);
}

TEST_F(Reco, MetricsSayWhatIsCompared) {
  const std::string metrics = read_file(tiny_project() / "refined" / "metrics.jsonl");
  for (const char* name : {"train/loss_refined\"", "train/loss_refined_image", "train/loss_refined_text",
                           "reco/samples", "reco/seconds_retrieve", "reco/neighbors\": 10"})
    EXPECT_THAT(metrics, HasSubstr(name));
}

TEST_F(Reco, ResumesToTheSameWeights) {
  expect_success(reco_arguments("half", {"--resume", "refined/checkpoints/step_00000006"}));
  const NamedTensors whole = final_tensors(tiny_project() / "refined");
  const NamedTensors resumed = final_tensors(tiny_project() / "half");
  ASSERT_EQ(resumed.size(), whole.size());
  for (const auto& [name, tensor] : whole) {
    if (name.find("fusion") == std::string::npos) continue;
    EXPECT_TRUE(at::equal(resumed.at(name), tensor)) << name;
  }
}

// All objectives train on the towers of a CLIP, whose temperature and bias they leave alone.
TEST_F(Reco, TrainsOnTowersOfOtherObjectives) {
  expect_success(reco_arguments("cloob_refined", {"--objective", "cloob"}));
  expect_success(train_arguments("siglip", {"--objective", "siglip"}));
  expect_success({"index", "siglip", "--images", "data/train/*.tar", "--texts", "--out", "of_siglip"});
  expect_success(
      train_arguments("siglip_refined", {"--task.kind", "reco", "--objective", "clip", "--reco.memory",
                                         "of_siglip", "--train.initial_weights", "siglip"}));
  EXPECT_EQ(accuracy({"siglip_refined", "--refine", "none"}), accuracy({"siglip"}));
  expect_error(reco_arguments("x", {"--train.precision", "pure_bf16"}), {"pure_bf16 is not available"});
}

// Over real connections: what both ranks train is what one trains, but for the rounding of sums.
TEST_F(Reco, TrainsOnTwoRanks) {
  Words words = {"launch", "--nproc", "2", "--"};
  const Words one = reco_arguments("two_ranks");
  words.insert(words.end(), one.begin(), one.end());
  expect_success(words);
  const std::vector<double> expected = losses_of("refined"), losses = losses_of("two_ranks");
  ASSERT_EQ(losses.size(), expected.size());
  EXPECT_NEAR(losses[0], expected[0], 1e-5 * expected[0]);
  for (std::size_t step = 1; step < losses.size(); ++step)
    EXPECT_NEAR(losses[step], expected[step], 1e-3 * expected[step]) << "step " << step;
}

TEST_F(Reco, SaysWhatHasNoEffect) {
  const ProgramResult forgotten = run(train_arguments("forgotten", {"--reco.memory", "memory", "--dry-run"}));
  EXPECT_THAT(forgotten.errors + forgotten.output, HasSubstr("reco.memory (task.kind is not reco)"));
  const ProgramResult probe = run({"eval", "linear-probe", "clip", "--train", "data/held_out", "--test",
                                   "data/held_out", "--memory", "memory", "--features", "tower"});
  EXPECT_THAT(probe.errors, HasSubstr("refined are --features unit"));
  expect_error({"eval", "zero-shot", "refined", "--data", "data/held_out", "--mean-weight", "0.3"},
               {"--mean-weight is for fusion by the mean"});
}

TEST_F(Reco, HasABenchmarkOfItsStep) {
  for (const char* fusion : {"transformer", "mlp"}) {
    const ProgramResult result =
        run({"bench", "step", "--model", "tiny-resnet", "--batch", "8", "--steps", "1", "--task.kind", "reco",
             "--objective", "clip", "--reco.fusion", fusion, "--json", "-"});
    ASSERT_EQ(result.exit_status, 0) << result.errors;
    const Json numbers = Json::parse(result.output);
    EXPECT_GT(numbers.at("samples_s").get<double>(), 0);
    EXPECT_GT(numbers.at("loss").get<double>(), 0);
  }
}

TEST_F(Reco, KeepsFeaturesOfTrainingSamples) {
  const Words cached = {"--reco.cache", "cache"};
  expect_success(reco_arguments("first", cached));
  const ProgramResult again = run(reco_arguments("second", cached));
  ASSERT_EQ(again.exit_status, 0) << again.errors;
  EXPECT_THAT(again.errors, HasSubstr("are those of 'cache/"));
  for (const auto& [name, tensor] : final_tensors(tiny_project() / "refined"))
    EXPECT_TRUE(at::equal(final_tensors(tiny_project() / "second").at(name), tensor)) << name;
  // Damage that looks like other features is found.
  std::filesystem::path file = std::filesystem::directory_iterator(tiny_project() / "cache")->path();
  std::string content = read_file(file);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  write_text(file, content);
  const ProgramResult repaired = run(reco_arguments("repaired", cached));
  ASSERT_EQ(repaired.exit_status, 0) << repaired.errors;
  EXPECT_THAT(repaired.errors, HasSubstr("features are computed again"));
  for (const auto& [name, tensor] : final_tensors(tiny_project() / "refined"))
    EXPECT_TRUE(at::equal(final_tensors(tiny_project() / "repaired").at(name), tensor)) << name;
  // A run that goes on with other pairs says so.
  expect_success({"index", "clip", "--images", "data/train/*.tar", "--texts", "--out", "changed"});
  expect_success(reco_arguments("changes", {"--reco.memory", "changed", "--checkpoint.keep_last", "10"}));
  expect_success({"memory", "remove", "changed", "000000003"});
  const ProgramResult resumed = run(reco_arguments(
      "resumed", {"--reco.memory", "changed", "--resume", "changes/checkpoints/step_00000006"}));
  ASSERT_EQ(resumed.exit_status, 0) << resumed.errors;
  EXPECT_THAT(resumed.errors, HasSubstr("does not have the pairs that it had"));
  // Not of a memory that has other entries.
  expect_success({"index", "clip", "--images", "data/train/*.tar", "--texts", "--out", "less"});
  expect_success({"memory", "remove", "less", "000000003"});
  const ProgramResult other =
      run(reco_arguments("third", {"--reco.cache", "cache", "--reco.memory", "less"}));
  ASSERT_EQ(other.exit_status, 0) << other.errors;
  EXPECT_EQ(other.errors.find("are those of"), std::string::npos);
}

TEST_F(Reco, EvaluatesRefinedOrNot) {
  const double plain = accuracy({"clip"});
  EXPECT_EQ(accuracy({"refined", "--refine", "none"}), plain);
  for (const char* refine : {"both", "images", "texts"}) accuracy({"refined", "--refine", refine});
  accuracy({"clip", "--memory", "memory", "--memory-k", "3", "--refine-prompts", "mean"});
  EXPECT_EQ(accuracy({"clip", "--memory", "memory", "--mean-weight", "0"}), plain);
}

TEST_F(Reco, SearchesARefinedQuery) {
  const ProgramResult result =
      run({"search", "memory", "a red circle", "--top", "5", "--memory", "memory", "--json", "-"});
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  const Json results = Json::parse(result.output).at("results");
  ASSERT_EQ(results.size(), 5U);
  EXPECT_TRUE(results[0].contains("key") && results[0].contains("score") && results[0].contains("caption"));
}

TEST_F(Reco, SearchShowsWhichPairsChangedTheAnswer) {
  const Words words = {"search",     "memory", "a red circle", "--top",   "4",      "--memory",  "memory",
                       "--memory-k", "3",      "--model",      "refined", "--json", "found.json"};
  Words with_page = words;
  with_page.insert(with_page.end(), {"--html", "found.html"});
  expect_success(with_page);
  const Json found = Json::parse(read_file(tiny_project() / "found.json"));
  const Json& pairs = found.at("memory").at("pairs");
  ASSERT_EQ(pairs.size(), 3U);
  EXPECT_GE(pairs[0].at("similarity").get<double>(), pairs[1].at("similarity").get<double>());
  EXPECT_TRUE(pairs[0].contains("brought") && pairs[0].contains("changed_order"));
  ASSERT_EQ(found.at("memory").at("without").size(), 4U);
  // The answer of the towers is that of the model from which the run started.
  const ProgramResult plain = run({"search", "memory", "a red circle", "--top", "4", "--json", "-"});
  ASSERT_EQ(plain.exit_status, 0) << plain.errors;
  const Json plain_results = Json::parse(plain.output).at("results");
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(found["memory"]["without"][i]["entry"], plain_results[i]["entry"]);
    EXPECT_EQ(found["memory"]["without"][i]["score"], plain_results[i]["score"]);
    EXPECT_TRUE(found["results"][i].contains("rank_without_memory"));
  }
  const std::string page = read_file(tiny_project() / "found.html");
  for (const char* part :
       {"Retrieved from memory", "Results without the memory", " | similarity ", " without the memory<"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  expect_error({"search", "memory", "--entry", "0", "--memory", "memory"},
               {"--entry searches with features as they are stored"});
}

TEST_F(Reco, EvaluatesWithAnotherMemoryThanInTraining) {
  expect_success({"index", "clip", "--images", "data/validation/*.tar", "--texts", "--out", "other"});
  expect_success(reco_arguments("swapped", {"--reco.evaluation_memory", "other"}));
  EXPECT_EQ(accuracy({"swapped", "--memory", "memory"}), accuracy({"refined"}));
  EXPECT_EQ(accuracy({"swapped"}), accuracy({"refined", "--memory", "other"}));
  expect_error(reco_arguments("x", {"--reco.evaluation_memory", "nothing", "--dry-run"}), {"nothing"});
}

// A suite takes over results that it has, but not those of another memory, of other pairs in the same folder, of another fusion or of
// other options.
TEST_F(Reco, SuiteMeasuresAnewWhatRefinesOtherwise) {
  const std::filesystem::path& project = tiny_project();
  write_text(project / "suite.yaml", "sets:\n  shapes: {path: data/held_out}\n");
  expect_success(reco_arguments("other_seed", {"--train.seed", "8"}));
  expect_success({"index", "clip", "--images", "data/train/*.tar", "--texts", "--out", "of_suite"});
  const auto suite = [&](const Words& what) {
    Words words = {"eval", "suite", "suite.yaml", "--out", "suite"};
    words.insert(words.end(), what.begin(), what.end());
    const ProgramResult result = run(words);
    EXPECT_EQ(result.exit_status, 0) << result.errors;
    return result.errors.find("1 of 1 results are in") == std::string::npos;
  };
  const auto result = [&] {
    return Json::parse(read_file(project / "suite" / "shapes_a_zeroshot_classification.json"));
  };
  const auto expect_measured_anew = [&](Words what) {
    what.front() = "a=" + what.front();
    EXPECT_TRUE(suite(what)) << join(what, " ");
    EXPECT_FALSE(suite(what)) << join(what, " ");
    what.front() = what.front().substr(2);
    EXPECT_EQ(result().at("metrics").at("acc1").get<double>(), accuracy(what)) << join(what, " ");
  };
  expect_measured_anew({"clip"});
  EXPECT_FALSE(result().at("cloob").contains("refinement"));
  expect_measured_anew({"clip", "--memory", "of_suite"});
  EXPECT_EQ(result().at("cloob").at("refinement").at("reco.memory"), "of_suite");
  expect_success({"memory", "remove", "of_suite", "000000003"});
  expect_measured_anew({"clip", "--memory", "of_suite"});
  expect_success({"memory", "compact", "of_suite"});
  for (const Words& option : {Words{"--memory-k", "3"},
                              {"--mean-weight", "0.9"},
                              {"--refine", "images"},
                              {"--refine-prompts", "mean"},
                              {"--memory-search", "other"},
                              {"--memory-fuse", "same"}})
    expect_measured_anew({"clip", "--memory", "of_suite", option[0], option[1]});
  expect_measured_anew({"refined"});
  expect_measured_anew({"other_seed"});
  // Of whatever folder, the same pairs are the same memory.
  std::filesystem::rename(project / "of_suite", project / "moved");
  EXPECT_TRUE(suite({"a=refined", "--memory", "moved"}));
  std::filesystem::rename(project / "moved", project / "moved_again");
  EXPECT_FALSE(suite({"a=refined", "--memory", "moved_again"}));
}

// A run names its memory as it was seen from where it was started.
TEST_F(Reco, SaysWhenTheMemoryIsNotThatOfTraining) {
  const std::filesystem::path elsewhere = tiny_project() / "elsewhere";
  std::filesystem::create_directory(elsewhere);
  const auto evaluate = [&](const Words& more) {
    Words words = {"eval", "zero-shot", "../refined", "--data", "../data/held_out", "--json", "-"};
    words.insert(words.end(), more.begin(), more.end());
    return run_cloob(elsewhere, words);
  };
  const ProgramResult absent = evaluate({});
  EXPECT_EQ(absent.exit_status, 2);
  EXPECT_THAT(absent.errors,
              AllOf(HasSubstr("the memory 'memory', which is not here"), HasSubstr("--memory")));
  EXPECT_EQ(evaluate({"--memory", "../memory"}).exit_status, 0);
  std::filesystem::copy(tiny_project() / "memory", elsewhere / "memory");
  const char* const warning = "does not have the pairs that the model was trained with";
  EXPECT_EQ(evaluate({}).errors.find(warning), std::string::npos);
  expect_success({"memory", "remove", "elsewhere/memory", "000000003"});
  EXPECT_THAT(evaluate({}).errors, HasSubstr(warning));
  EXPECT_EQ(evaluate({"--memory", "memory"}).errors.find(warning), std::string::npos);
}

// The other checkpoints, and the other tasks of a data set, have their results.
TEST_F(Reco, SuiteGoesOnAfterWhatCannotBeEvaluated) {
  const std::filesystem::path& project = tiny_project();
  std::filesystem::copy(project / "data" / "held_out", project / "learned",
                        std::filesystem::copy_options::recursive);
  write_text(project / "two_tasks.yaml",
             "sets:\n  shapes: {path: data/held_out, train: learned, tasks: [zero_shot, knn]}\n");
  const Words words = {"eval",       "suite", "two_tasks.yaml", "a=clip", "b=refined", "c=clip",
                       "--memory-k", "2",     "--out",          "two"};
  const ProgramResult result = run(words);
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("a: 'clip' was not trained with a memory"),
                                   HasSubstr("2 evaluations could not be done")));
  EXPECT_THAT(read_file(project / "two" / "results.csv"), HasSubstr("\nb,"));
  write_text(project / "two" / "shapes_b_knn.json", "{");
  const ProgramResult again = run(words);
  EXPECT_EQ(again.exit_status, 2);
  EXPECT_THAT(again.errors,
              AllOf(HasSubstr("knn: "), HasSubstr("shapes_b_knn.json"), HasSubstr("1 of 2 results are in")));
  EXPECT_THAT(read_file(project / "two" / "results.csv"), HasSubstr("\nb,"));
}

TEST_F(Reco, SaysThatEncodedFeaturesAreRefined) {
  write_text(tiny_project() / "texts.txt", "a red circle\n");
  const ProgramResult result =
      run({"encode", "refined", "--texts", "texts.txt", "--out", "refined_texts.safetensors"});
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_THAT(result.errors, HasSubstr("refined with the memory of 'refined'"));
  EXPECT_THAT(read_file(tiny_project() / "refined_texts.safetensors"), HasSubstr("reco.memory"));
  const ProgramResult search =
      run({"search", "memory", "a red circle", "--memory", "memory", "--refine", "images"});
  EXPECT_THAT(search.errors, HasSubstr("the memory does not change this query"));
}

// The fusion is in no file of weights.
TEST_F(Reco, SaysWhereTheFusionIsLeftOut) {
  const ProgramResult exported = run({"weights", "export", "refined", "--out", "refined.safetensors"});
  EXPECT_EQ(exported.exit_status, 0) << exported.errors;
  EXPECT_THAT(exported.errors, HasSubstr("the towers of 'refined' alone"));
  const ProgramResult started = run(train_arguments("started", {"--train.initial_weights", "refined"}));
  EXPECT_EQ(started.exit_status, 0) << started.errors;
  EXPECT_THAT(started.errors, HasSubstr("starts from its towers, without its fusion"));
}

TEST_F(Reco, RefusesWhatDoesNotFit) {
  expect_error(train_arguments("x", {"--task.kind", "reco"}),
               {"reco.memory is not set", "cloob memory build"});
  expect_error(train_arguments("x", {"--task.kind", "reco", "--reco.memory", "memory"}),
               {"this model is another one"});
  expect_error(reco_arguments("x", {"--reco.memory", "nothing"}), {"nothing"});
  expect_error(reco_arguments("x", {"--reco.memory", "nothing", "--dry-run"}), {"nothing"});
  EXPECT_THAT(run(reco_arguments("x", {"--dry-run"})).output,
              AllOf(HasSubstr("a step runs no tower"), HasSubstr("once, before the first step")));
  expect_error(reco_arguments("x", {"--loss.kind", "sigmoid", "--retrieval.kind", "none"}),
               {"loss.kind sigmoid is not available"});
  expect_error({"index", "refined", "--images", "data/train/*.tar", "--out", "y"}, {"refined with a memory"});
  expect_error({"eval", "zero-shot", "clip", "--data", "data/held_out", "--refine", "both"}, {"--memory"});
  expect_success({"index", "clip", "--images", "data/train/*.tar", "--out", "images"});
  expect_error({"eval", "zero-shot", "refined", "--data", "data/held_out", "--memory", "images"},
               {"images only"});
}

}  // namespace
}  // namespace cloob::testing

// The evaluation suite as a user runs it: on clip-benchmark's own folders with its own results, and on rendered shapes.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "parity/model/formula.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

Json read_json(const fs::path& file) { return Json::parse(read_file(file)); }

fs::path golden_folder() { return golden_path("clip_benchmark"); }

// The weights that tools/goldens/make_clip_benchmark.py gave to open_clip.
void write_golden_weights(const fs::path& file) {
  NamedTensors weights;
  for (const std::string& line : read_nonempty_lines(golden_folder() / "weights.txt")) {
    const std::vector<std::string> words = split(line, ' ');
    std::vector<std::int64_t> shape;
    for (std::size_t i = 1; i < words.size(); ++i) shape.push_back(std::stoll(words[i]));
    weights[words[0]] = formula_weight(words[0], shape);
  }
  write_safetensors(file, weights, {});
}

// Compares all metrics of clip-benchmark; ours may have more.
void expect_metrics(const Json& actual, const Json& expected, const std::string& what) {
  for (const auto& [name, value] : expected.items()) {
    ASSERT_TRUE(actual.contains(name)) << what << " has no " << name;
    EXPECT_NEAR(actual[name].get<double>(), value.get<double>(), 1e-6) << what << " " << name;
  }
}

TEST(ClipBenchmark, WritesTheSameForTheSameWeightsAndFolders) {
  const TempDir folder;
  write_golden_weights(folder / "weights.safetensors");
  std::ofstream(folder / "suite.yaml") << "sets:\n  classes: {path: classes}\n  wds/shards: {path: shards}\n"
                                          "  wds/captions: {path: captions}\n";
  const ProgramResult result = run_cloob(
      folder.path(), {"eval", "suite", "suite.yaml", "tiny=weights.safetensors", "--activation", "gelu",
                      "--eval.root", golden_folder().string(), "--out", "out", "--batch-size", "4"});
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  const Json expected = read_json(golden_folder() / "results.json");
  const Json classes = read_json(folder / "out" / "classes_tiny_zeroshot_classification.json"),
             shards = read_json(folder / "out" / "wds_shards_tiny_zeroshot_classification.json"),
             captions = read_json(folder / "out" / "wds_captions_tiny_zeroshot_retrieval.json");
  expect_metrics(classes["metrics"], expected["classes"], "classes");
  for (const auto& [own, theirs] :
       {std::pair(shards, expected["shards"]), {captions, expected["captions"]}}) {
    for (const auto& [key, value] : theirs.items()) EXPECT_TRUE(own.contains(key)) << key;
    for (const char* key : {"dataset", "task", "language"}) EXPECT_EQ(own[key], theirs[key]);
    expect_metrics(own["metrics"], theirs["metrics"], theirs["dataset"].get<std::string>());
  }
  EXPECT_EQ(captions["metrics"].size(), expected["captions"]["metrics"].size());
  EXPECT_EQ(shards["classnames"].size(), 6U);
  EXPECT_EQ(shards["templates"][1], "a {c}, {c}");
}

constexpr const char* kSuite = R"(eval: {root: data, bootstrap_draws: 100}
sets:
  shapes: {path: held_out}
  pairs: {path: "validation/*.tar", data: {webdataset: {json_caption_field: captions}}}
)";

/// Shapes with classes and captions, and two checkpoints of a run on them.
const fs::path& trained() {
  static const bool made = [] {
    const fs::path& project = tiny_project();
    for (const std::string run : {"a", "b"}) {
      const ProgramResult result = run_cloob(
          project,
          train_arguments("suite_" + run, {"--train.steps", "2", "--train.seed", run == "a" ? "1" : "2",
                                           "--eval.every_epochs", "0", "--eval.at_end", "false"}));
      if (result.exit_status != 0) throw std::runtime_error(result.errors);
    }
    std::ofstream(project / "suite.yaml") << kSuite;
    return true;
  }();
  static_cast<void>(made);
  return tiny_project();
}

Words suite(const std::string& out, const Words& checkpoints, const Words& more = {}) {
  Words words = {"eval", "suite", "suite.yaml"};
  words.insert(words.end(), checkpoints.begin(), checkpoints.end());
  words.insert(words.end(), {"--out", out, "--threads", "2"});
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::map<std::string, std::string> files_in(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::directory_iterator(folder))
    contents[entry.path().filename().string()] = read_file(entry.path());
  return contents;
}

// What differs between two evaluations with the same outcome.
Json without_times(const std::string& text) {
  Json json = Json::parse(text);
  json["cloob"].erase("seconds");
  return json;
}

TEST(EvalSuite, GivesWhatTheSingleEvaluationsGive) {
  const fs::path& project = trained();
  const ProgramResult result = run_cloob(project, suite("fresh", {"suite_a", "suite_b"}));
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  const auto files = files_in(project / "fresh");
  EXPECT_EQ(files.size(), 5U);
  for (const std::string run : {"suite_a", "suite_b"}) {
    const Json shapes = Json::parse(files.at("shapes_" + run + "_zeroshot_classification.json")),
               pairs = Json::parse(files.at("pairs_" + run + "_zeroshot_retrieval.json"));
    const Json zero_shot = Json::parse(
        run_cloob(project, {"eval", "zero-shot", run, "--data", "data/held_out", "--json", "-"}).output);
    for (const char* name : {"acc1", "acc5", "mean_per_class_recall"})
      EXPECT_NEAR(shapes["metrics"][name].get<double>(), zero_shot[name].get<double>(), 1e-12) << name;
    EXPECT_EQ(shapes["classnames"], zero_shot["class_names"]);
    const Json retrieval =
        Json::parse(run_cloob(project, {"eval", "retrieval", run, "--data", "data/validation/*.tar", "--json",
                                        "-", "--data.webdataset.json_caption_field", "captions"})
                        .output);
    for (const std::string k : {"1", "5", "10"}) {
      EXPECT_NEAR(pairs["metrics"]["image_retrieval_recall@" + k].get<double>(),
                  retrieval["text_to_image_R@" + k].get<double>(), 1e-12);
      EXPECT_NEAR(pairs["metrics"]["text_retrieval_recall@" + k].get<double>(),
                  retrieval["image_to_text_R@" + k].get<double>(), 1e-12);
    }
    for (const Json& json : {shapes, pairs}) {
      EXPECT_EQ(json["pretrained"], run);
      for (const auto& [name, interval] : json["cloob"]["intervals"].items()) {
        const auto value = json["metrics"][name].get<double>();
        EXPECT_LE(interval[0].get<double>(), value) << name;
        EXPECT_GE(interval[1].get<double>(), value) << name;
      }
    }
    EXPECT_EQ(shapes["cloob"]["intervals"].size(), 3U);
    EXPECT_THAT(result.output, HasSubstr(run));
  }
  EXPECT_THAT(files.at("results.csv"),
              HasSubstr("checkpoint,model,dataset,task,metric,value,low,high\nsuite_a,"));
  const std::string& csv = files.at("results.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 2 * (3 + 6));
}

// Rendered images of classes, in turn to learn from and to test on.
void make_halves(const fs::path& project) {
  const ProgramResult made =
      run_cloob(project, {"data", "render-shapes", "more", "--image-size", "40", "--train", "8",
                          "--validation", "8", "--held-out", "128", "--samples-per-shard", "40"});
  if (made.exit_status != 0) throw std::runtime_error(made.errors);
  std::map<std::string, int> number;
  for (const auto& entry : fs::recursive_directory_iterator(project / "more" / "held_out")) {
    if (!entry.is_regular_file() || entry.path().extension() == ".txt") continue;
    const std::string name = entry.path().parent_path().filename();
    const fs::path folder = project / "data/halves" / (number[name]++ % 2 == 0 ? "train" : "test") / name;
    fs::create_directories(folder);
    fs::copy_file(entry.path(), folder / entry.path().filename());
  }
}

TEST(EvalSuite, ProbesAsTheirCommandsDo) {
  const fs::path& project = trained();
  make_halves(project);
  std::ofstream(project / "probes.yaml")
      << "eval: {root: data, bootstrap_draws: 50, knn_k: 5, shots: [1, 3], shot_draws: 4}\n"
         "sets:\n  halves: {path: halves, tasks: [zero_shot, linear_probe, knn, few_shot]}\n";
  const ProgramResult result =
      run_cloob(project, {"eval", "suite", "probes.yaml", "suite_a", "--out", "probes", "--threads", "2"});
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  const auto files = files_in(project / "probes");
  EXPECT_EQ(files.size(), 5U);
  const auto of_task = [&](const std::string& task) {
    return Json::parse(files.at("halves_suite_a_" + task + ".json"));
  };
  const auto command = [&](const std::string& name, const Words& more) {
    Words words = {"eval",   name, "suite_a", "--train", "data/halves/train", "--test", "data/halves/test",
                   "--json", "-"};
    words.insert(words.end(), more.begin(), more.end());
    const ProgramResult own = run_cloob(project, words);
    EXPECT_EQ(own.exit_status, 0) << own.errors;
    return Json::parse(own.output);
  };
  const Json probe = of_task("linear_probe"), linear = command("linear-probe", {});
  for (const char* name : {"lp_acc1", "lp_acc5", "lp_mean_per_class_recall"})
    EXPECT_NEAR(probe["metrics"][name].get<double>(), linear[name].get<double>(), 1e-12) << name;
  EXPECT_EQ(probe["cloob"]["c"], linear["c"]);
  EXPECT_EQ(probe["cloob"]["settings"]["features"], "tower");
  const Json neighbors = of_task("knn"), knn = command("knn", {"--k", "5"});
  for (const char* name : {"knn_acc1", "knn_plain_acc1"})
    EXPECT_NEAR(neighbors["metrics"][name].get<double>(), knn[name].get<double>(), 1e-12) << name;
  EXPECT_EQ(neighbors["cloob"]["settings"]["features"], "unit") << "the default of each task";
  EXPECT_EQ(neighbors["cloob"]["settings"]["features"], knn["features"]);
  const Json few_shot = of_task("few_shot"), shots = command("few-shot", {"--shots", "3", "--draws", "4"});
  EXPECT_NEAR(few_shot["metrics"]["few_shot_acc1@3"].get<double>(), shots["few_shot_acc1"].get<double>(),
              1e-12);
  EXPECT_TRUE(few_shot["metrics"].contains("few_shot_acc1@1"));
  EXPECT_EQ(of_task("zeroshot_classification")["cloob"]["num_classes"], probe["cloob"]["num_classes"]);

  // With other settings of one task only that is measured anew.
  const ProgramResult again = run_cloob(project, {"eval", "suite", "probes.yaml", "suite_a", "--out",
                                                  "probes", "--threads", "2", "--eval.knn_k", "3"});
  ASSERT_EQ(again.exit_status, 0) << again.errors;
  EXPECT_THAT(again.errors, HasSubstr("3 of 4 results are in 'probes' already"));
  const auto after = files_in(project / "probes");
  EXPECT_EQ(after.at("halves_suite_a_linear_probe.json"), files.at("halves_suite_a_linear_probe.json"));
  EXPECT_EQ(Json::parse(after.at("halves_suite_a_knn.json"))["cloob"]["settings"]["k"], 3);

  for (const Words& train : {Words{}, Words{"--sets.halves.train=./halves/test/"}}) {
    Words words = {
        "eval", "suite", "probes.yaml", "suite_a", "--out", "same", "--sets.halves.path=halves/test"};
    words.insert(words.end(), train.begin(), train.end());
    const ProgramResult same = run_cloob(project, words);
    EXPECT_EQ(same.exit_status, 2);
    EXPECT_THAT(same.errors, HasSubstr("the images to learn from would be those to evaluate on"));
  }
}

TEST(EvalSuite, KnowsAListOfClipBenchmarkFromAFolderOfItsName) {
  const fs::path& project = trained();
  fs::create_directories(project / "data" / "cifar10");
  fs::create_directories(project / "cifar10");
  const ProgramResult result =
      run_cloob(project, suite("lists", {"suite_a"}, {"--sets.shapes.templates=cifar10"}));
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  const Json shapes = read_json(project / "lists" / "shapes_suite_a_zeroshot_classification.json");
  EXPECT_EQ(shapes["templates"].size(), 18U);
  EXPECT_EQ(shapes["cloob"]["templates_from"], "cifar10");
}

TEST(EvalSuite, ContinuesWhereItStopped) {
  const fs::path& project = trained();
  ASSERT_EQ(run_cloob(project, suite("continued", {"suite_a"})).exit_status, 0);
  const auto before = files_in(project / "continued");
  const ProgramResult again = run_cloob(project, suite("continued", {"suite_a"}));
  ASSERT_EQ(again.exit_status, 0) << again.errors;
  EXPECT_THAT(again.errors, HasSubstr("1 of 1 results are in 'continued' already"));
  EXPECT_EQ(files_in(project / "continued"), before) << "with the seconds of the first time";

  const std::string shapes = "shapes_suite_a_zeroshot_classification.json",
                    pairs = "pairs_suite_a_zeroshot_retrieval.json";
  fs::remove(project / "continued" / shapes);
  ASSERT_EQ(run_cloob(project, suite("continued", {"suite_a"})).exit_status, 0);
  const auto after = files_in(project / "continued");
  EXPECT_EQ(after.at(pairs), before.at(pairs));
  EXPECT_EQ(without_times(after.at(shapes)), without_times(before.at(shapes)));
  EXPECT_EQ(after.at("results.csv"), before.at("results.csv"));

  const ProgramResult other = run_cloob(project, suite("continued", {"suite_a"}, {"--eval.seed", "5"}));
  ASSERT_EQ(other.exit_status, 0) << other.errors;
  EXPECT_THAT(other.errors, HasSubstr("is of other weights, settings or data: measured anew"));
  EXPECT_NE(without_times(files_in(project / "continued").at(pairs)), without_times(before.at(pairs)));

  const ProgramResult weights =
      run_cloob(project, suite("continued", {"suite_a=suite_b"}, {"--eval.seed", "5"}));
  ASSERT_EQ(weights.exit_status, 0) << weights.errors;
  EXPECT_THAT(weights.errors, HasSubstr("measured anew"));
}

TEST(EvalSuite, KeepsTheResultsOfGoodDataSets) {
  const fs::path& project = trained();
  const ProgramResult result =
      run_cloob(project, suite("bad", {"suite_a"},
                               {"--sets.missing.path=nowhere", "--sets.names.path=held_out",
                                "--sets.names.class_names=imagenet1k", "--sets.tasks.path=held_out",
                                "--sets.tasks.tasks=[retrieval]"}));
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("3 evaluations could not be done, all others were"));
  EXPECT_THAT(result.errors, HasSubstr("missing: sets.missing.path: 'data/nowhere' does not exist"));
  EXPECT_THAT(result.errors, HasSubstr("names: 'imagenet1k' has 1000 class names"));
  EXPECT_THAT(result.errors, HasSubstr("it can have no retrieval"));
  EXPECT_EQ(files_in(project / "bad").size(), 3U);
}

// Found only when the images are read.
TEST(EvalSuite, KeepsTheResultsOfOthersWhenImagesAreBroken) {
  const fs::path& project = trained();
  write_text(project / "data/broken/circle/a.png", "not an image");
  write_text(project / "data/broken/square/b.png", "neither");
  for (const Words& launch : {Words{}, Words{"launch", "--nproc", "2", "--"}}) {
    const std::string out = launch.empty() ? "broken" : "broken_on_ranks";
    Words words = launch;
    const Words command = suite(out, {"suite_a"}, {"--sets.broken.path=broken"});
    words.insert(words.end(), command.begin(), command.end());
    const ProgramResult result = run_cloob(project, words);
    EXPECT_NE(result.exit_status, 0);
    EXPECT_THAT(result.errors, HasSubstr("1 evaluation could not be done, all others were"));
    EXPECT_EQ(files_in(project / out).size(), 3U) << result.errors;
  }
}

std::vector<fs::path> held_out_images(const fs::path& project) {
  std::vector<fs::path> images;
  for (const auto& entry : fs::recursive_directory_iterator(project / "data/held_out")) {
    if (entry.path().extension() == ".png") images.push_back(entry.path());
  }
  std::ranges::sort(images);
  return images;
}

TEST(EvalSuite, KeepsTheOtherTasksWhenOneCannotBeDone) {
  const fs::path& project = trained();
  const std::vector<fs::path> images = held_out_images(project);
  for (const auto& [file, image] : std::map<std::string, std::size_t>{{"train/circle/0.png", 0},
                                                                      {"train/circle/1.png", 1},
                                                                      {"train/square/0.png", 2},
                                                                      {"train/square/1.png", 3},
                                                                      {"test/circle/0.png", 4},
                                                                      {"test/square/0.png", 5}}) {
    write_text(project / "data/weak" / file, read_file(images.at(image)));
  }
  const fs::path last = project / "data/weak/train/square/1.png";
  const std::string content = read_file(last);
  std::ofstream(project / "weak.yaml")
      << "eval: {root: data, bootstrap_draws: 50, knn_k: 1, shots: [2]}\n"
         "sets: {circles: {path: weak, tasks: [zero_shot, few_shot, knn], data: {max_bad_share: 0.9}}}\n";
  for (const Words& launch : {Words{}, Words{"launch", "--nproc", "2", "--"}}) {
    const std::string out = launch.empty() ? "weak" : "weak_on_ranks";
    Words words = launch;
    const Words command = {"eval", "suite", "weak.yaml", "suite_a", "--out", out};
    words.insert(words.end(), command.begin(), command.end());
    ProgramResult result = run_cloob(project, words);
    EXPECT_EQ(result.exit_status, 0) << result.errors;
    write_text(last, "not an image");
    for (const char* task : {"few_shot", "knn", "zeroshot_classification"})
      fs::remove(project / out / ("circles_suite_a_" + std::string(task) + ".json"));
    result = run_cloob(project, words);
    write_text(last, content);
    EXPECT_NE(result.exit_status, 0);
    EXPECT_THAT(result.errors, HasSubstr("1 evaluation could not be done, all others were"));
    EXPECT_THAT(result.errors,
                HasSubstr("suite_a, circles: few_shot: the class 'square' has 1 usable image"));
    const auto files = files_in(project / out);
    EXPECT_TRUE(files.contains("circles_suite_a_zeroshot_classification.json"));
    EXPECT_TRUE(files.contains("circles_suite_a_knn.json"));
    EXPECT_FALSE(files.contains("circles_suite_a_few_shot.json"));
    EXPECT_THAT(files.at("results.csv"), HasSubstr("suite_a,"));
    EXPECT_THAT(files.at("results.csv"), HasSubstr("circles,knn,knn_acc1"));
  }
}

TEST(EvalSuite, MeasuresAnewWithOtherCaptionsOrAnotherFolder) {
  const fs::path& project = trained();
  write_text(project / "table/t.csv", "filepath,a,b\n0.png,a circle,a square\n1.png,a square,a circle\n");
  const std::vector<fs::path> images = held_out_images(project);
  write_text(project / "table/0.png", read_file(images.at(0)));
  write_text(project / "table/1.png", read_file(images.at(1)));
  const auto run = [&](const std::string& column, const std::string& root) {
    std::ofstream(project / "table.yaml")
        << "sets: {t: {path: table/t.csv, data: {csv: {caption_columns: [" << column << "]}}}}\n";
    const ProgramResult result = run_cloob(
        project, {"eval", "suite", "table.yaml", "suite_a", "--out", "table_out", "--eval.root", root});
    EXPECT_EQ(result.exit_status, 0) << result.errors;
    return result.errors;
  };
  run("a", project.string());
  EXPECT_THAT(run("a", "."), HasSubstr("1 of 1 results are in 'table_out' already"));
  EXPECT_THAT(run("b", "."), HasSubstr("measured anew"));
}

TEST(EvalSuite, OfTwoRanksIsThatOfOne) {
  const fs::path& project = trained();
  ASSERT_EQ(run_cloob(project, suite("one", {"suite_a"})).exit_status, 0);
  Words words = {"launch", "--nproc", "2", "--"};
  const Words command = suite("two", {"suite_a"});
  words.insert(words.end(), command.begin(), command.end());
  const ProgramResult result = run_cloob(project, words);
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  const auto one = files_in(project / "one"), two = files_in(project / "two");
  ASSERT_EQ(one.size(), two.size());
  for (const auto& [name, content] : one) {
    if (name.ends_with(".json")) {
      EXPECT_EQ(without_times(content), without_times(two.at(name))) << name;
    } else {
      EXPECT_EQ(content, two.at(name)) << name;
    }
  }
}

TEST(EvalSuite, OverwritesNothingElse) {
  const fs::path& project = trained();
  const std::string file = "shapes_suite_a_zeroshot_classification.json";
  write_text(project / "foreign" / file, "{\"mine\": 1}");
  const ProgramResult result = run_cloob(project, suite("foreign", {"suite_a"}));
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("is not the result of a suite"));
  EXPECT_EQ(read_file(project / "foreign" / file), "{\"mine\": 1}");
  write_text(project / "sweep" / "results.csv", "seed,status\n");
  for (const Words& launch : {Words{}, Words{"launch", "--nproc", "2", "--"}}) {
    Words words = launch;
    const Words command = suite("sweep", {"suite_a"});
    words.insert(words.end(), command.begin(), command.end());
    const ProgramResult sweep = run_cloob(project, words);
    EXPECT_EQ(sweep.exit_status, 2) << sweep.errors;
    EXPECT_THAT(sweep.errors, HasSubstr("is not the table of a suite"));
  }
  EXPECT_THAT(files_in(project / "sweep").at("results.csv"), "seed,status\n");
  const ProgramResult inside = run_cloob(project, suite("suite_a/checkpoints/step_00000002", {"suite_a"}));
  EXPECT_EQ(inside.exit_status, 2);
  EXPECT_THAT(inside.errors, HasSubstr("is inside the checkpoint"));
}

TEST(EvalSuite, RefusesWhatItCannotDo) {
  const fs::path& project = trained();
  const auto expect_refused = [&](const Words& words, const std::string& message) {
    const ProgramResult result = run_cloob(project, words);
    EXPECT_EQ(result.exit_status, 2) << message;
    EXPECT_THAT(result.errors, HasSubstr(message));
    EXPECT_FALSE(fs::exists(project / "refused"));
  };
  expect_refused(suite("refused", {"suite_a"}, {"--eval.sed", "5"}), "unknown setting 'eval.sed'");
  expect_refused(suite("refused", {"suite_a"}, {"--eval.confidence", "95"}), "eval.confidence is 95");
  expect_refused(suite("refused", {"suite_a", "x/../suite_a"}), "both called 'suite_a'");
  expect_refused(suite("refused", {"suite_c"}), "suite_c");
  expect_refused(suite("refused", {"b_shapes=suite_a", "shapes=suite_b"},
                       {"--sets.a.path=held_out", "--sets.a_b.path=held_out"}),
                 "would be the same file 'a_b_shapes_zeroshot_classification.json'");
  expect_refused(suite("refused", {"suite_a"}, {"--eval.shots=[2, 2]"}), "eval.shots has a number twice");
  expect_refused({"eval", "suite", "tiny.yaml", "suite_a", "--out", "refused"}, "unknown setting");
}

}  // namespace
}  // namespace cloob::testing

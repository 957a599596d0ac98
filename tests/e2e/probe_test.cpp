// cloob eval features, linear-probe, knn and few-shot, on a small model and rendered images.

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

// With zero-shot images as data, as the test needs only classes, not that anything is learned from them.
const std::string kImages = "data/held_out";

class Probe : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { run({"train", "tiny.yaml", "--run-dir", "model", "--train.steps", "4"}); }

  static std::string run(const Words& arguments) {
    const ProgramResult result = run_cloob(tiny_project(), arguments);
    EXPECT_EQ(result.exit_status, 0) << join(arguments, " ") << "\n" << result.errors;
    return result.output;
  }
  static Json probe(const std::string& command, const Words& more = {}) {
    Words arguments = {"eval", command, "model", "--train", kImages, "--test", kImages, "--json", "-"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Json::parse(run(arguments));
  }
  static std::string error_of(const Words& arguments) {
    const ProgramResult result = run_cloob(tiny_project(), arguments);
    EXPECT_NE(result.exit_status, 0) << join(arguments, " ");
    return result.errors;
  }
  static std::int64_t num_classes() {
    const fs::directory_iterator entries(tiny_project() / kImages);
    return std::ranges::count_if(entries,
                                 [](const fs::directory_entry& entry) { return entry.is_directory(); });
  }
};

TEST_F(Probe, AProbeDuringTrainingGivesWhatTheCommandGives) {
  const std::string setting = "--eval.linear_probe.held.";
  // Copies under another name, so that they count as other images.
  const std::string learned = "data/learned";
  fs::copy(tiny_project() / kImages, tiny_project() / learned, fs::copy_options::recursive);
  const ProgramResult trained =
      run_cloob(tiny_project(), {"train", "tiny.yaml", "--run-dir", "probed", "--train.steps", "2",
                                 "--train.precision", "fp32", setting + "train", learned, setting + "test",
                                 kImages, setting + "features", "unit"});
  ASSERT_EQ(trained.exit_status, 0) << trained.errors;
  EXPECT_THAT(trained.errors, ::testing::Not(::testing::HasSubstr("linear probe: C")));
  Json last;
  for (const std::string& line : read_lines(tiny_project() / "probed" / "metrics.jsonl")) {
    Json json = Json::parse(line);
    if (json.contains("val/held_lp_acc1")) last = std::move(json);
  }
  ASSERT_FALSE(last.is_null());
  const Json alone = Json::parse(run({"eval", "linear-probe", "probed", "--train", learned, "--test", kImages,
                                      "--features", "unit", "--json", "-"}));
  EXPECT_EQ(last["val/held_lp_c"], alone["c"]);
  EXPECT_EQ(last["val/held_lp_acc1"], alone["lp_acc1"]);
  EXPECT_EQ(last["val/held_lp_mean_per_class_recall"], alone["lp_mean_per_class_recall"]);
  EXPECT_GT(alone["lp_acc1"].get<double>(), 0);
}

TEST_F(Probe, IsNotTestedOnWhatItLearnedFrom) {
  const std::string setting = "--eval.linear_probe.held.";
  EXPECT_THAT(
      error_of({"train", "tiny.yaml", "--run-dir", "same", "--dry-run", setting + "train", kImages,
                setting + "test", "./data/validation/../held_out/"}),
      ::testing::HasSubstr("eval.linear_probe.held: 'data/held_out' is both to learn from and to test on"));
  const ProgramResult command =
      run_cloob(tiny_project(), {"eval", "knn", "model", "--train", kImages, "--test", "./" + kImages});
  EXPECT_EQ(command.exit_status, 0);
  EXPECT_THAT(command.errors, ::testing::HasSubstr("is both to learn from and to test on"));
}

TEST_F(Probe, ClustersDuringTrainingAreThoseOfTheCommand) {
  const ProgramResult trained =
      run_cloob(tiny_project(), {"train", "tiny.yaml", "--run-dir", "clustered", "--train.steps", "2",
                                 "--train.precision", "fp32", "--eval.clusters.held.data", kImages});
  ASSERT_EQ(trained.exit_status, 0) << trained.errors;
  Json last;
  for (const std::string& line : read_lines(tiny_project() / "clustered" / "metrics.jsonl")) {
    Json json = Json::parse(line);
    if (json.contains("val/held_clusters_ari")) last = std::move(json);
  }
  ASSERT_FALSE(last.is_null());
  const Json alone = Json::parse(run({"eval", "clusters", "clustered", "--data", kImages, "--json", "-"}));
  EXPECT_EQ(last["val/held_clusters_ari"], alone["clusters_ari"]);
  EXPECT_EQ(last["val/held_clusters_ami"], alone["clusters_ami"]);
  EXPECT_EQ(alone["num_clusters"], num_classes());
  EXPECT_EQ(alone["num_samples"], 32);
  EXPECT_EQ(alone["features"], "unit");
  // A cluster for each image: what is left of the agreement is nothing.
  EXPECT_EQ(Json::parse(run({"eval", "clusters", "clustered", "--data", kImages, "--clusters", "32", "--json",
                             "-"}))["clusters_ari"],
            0);
  EXPECT_THAT(error_of({"eval", "clusters", "clustered", "--data", kImages, "--clusters", "33"}),
              ::testing::HasSubstr("33 clusters of 32 images of 'data/held_out'"));
  EXPECT_THAT(error_of({"train", "tiny.yaml", "--run-dir", "few", "--dry-run", "--eval.clusters.held.data",
                        kImages, "--eval.max_samples", "2"}),
              ::testing::HasSubstr("clusters of 2 images of 'data/held_out'"));
}

TEST_F(Probe, LinearProbesOnEveryStageOfFeatures) {
  const Json json = probe("linear-probe", {"--c", "1000"});
  EXPECT_EQ(json["features"], "tower");
  EXPECT_EQ(json["method"], "logistic");
  EXPECT_EQ(json["c"], 1000);
  EXPECT_EQ(json["num_classes"], num_classes());
  EXPECT_EQ(json["num_train"], 32);
  EXPECT_EQ(json["num_samples"], 32);
  EXPECT_EQ(json["fits"], 1);
  EXPECT_TRUE(json["validation_acc1"].is_null());
  EXPECT_GT(json["lp_acc1"].get<double>(), 2.0 / static_cast<double>(num_classes()));
  EXPECT_TRUE(json.contains("lp_mean_per_class_recall"));
  for (const std::string stage : {"unit", "raw"}) {
    const Json other = probe("linear-probe", {"--c", "0.01", "--features", stage});
    EXPECT_EQ(other["features"], stage);
  }
  const Json sgd = probe("linear-probe", {"--method", "sgd"});
  EXPECT_EQ(sgd["order"], "shuffled");
  EXPECT_TRUE(sgd["c"].is_null());
  EXPECT_GE(sgd["lp_best_acc1"], sgd["lp_acc1"]);
  EXPECT_EQ(probe("linear-probe", {"--method", "sgd", "--keep-order"})["order"], "stored");
}

TEST_F(Probe, TheRegulariserIsChosenIfItIsNotGiven) {
  const Json json = probe("linear-probe");
  EXPECT_GE(json["c"], 1e-6);
  EXPECT_LE(json["c"], 1e6);
  EXPECT_GE(json["fits"], 12);
  EXPECT_TRUE(json["validation_acc1"].is_number());
}

TEST_F(Probe, NeighborsOfAnImageIncludeItself) {
  const Json nearest = probe("knn", {"--k", "1"});
  EXPECT_EQ(nearest["knn_acc1"], 1);
  EXPECT_EQ(nearest["knn_plain_acc1"], 1);
  EXPECT_EQ(nearest["features"], "unit");
  EXPECT_EQ(probe("knn")["k"], 20);
  EXPECT_THAT(error_of({"eval", "knn", "model", "--train", kImages, "--test", kImages, "--k", "33"}),
              ::testing::HasSubstr("32 usable images"));
}

TEST_F(Probe, FewShotAccuraciesHaveMeanAndSpread) {
  const Json json = probe("few-shot", {"--draws", "3", "--seed", "5"});
  EXPECT_EQ(json["shots"], 1);
  ASSERT_EQ(json["few_shot_acc1_of_draws"].size(), 3U);
  double sum = 0;
  for (const Json& accuracy : json["few_shot_acc1_of_draws"]) sum += accuracy.get<double>();
  EXPECT_NEAR(json["few_shot_acc1"].get<double>(), sum / 3, 1e-12);
  EXPECT_TRUE(json["few_shot_acc1_std"].is_number());
  EXPECT_EQ(probe("few-shot", {"--draws", "3", "--seed", "5"}), json);
  EXPECT_TRUE(probe("few-shot", {"--draws", "1"})["few_shot_acc1_std"].is_null());
}

TEST_F(Probe, RanksGetTheNumbersOfOneProcess) {
  const Words both = {"--train", kImages, "--test", kImages, "--threads", "1", "--json", "-"};
  const Words one = {"--data", kImages, "--threads", "1", "--json", "-"};
  for (const std::string command : {"linear-probe", "knn", "few-shot", "clusters"}) {
    Words alone = {"eval", command, "model"},
          two = {"launch", "--nproc", "2", "--", "eval", command, "model"};
    const Words& more = command == "clusters" ? one : both;
    alone.insert(alone.end(), more.begin(), more.end());
    two.insert(two.end(), more.begin(), more.end());
    EXPECT_EQ(Json::parse(run(two)), Json::parse(run(alone))) << command;
  }
}

TEST_F(Probe, FeaturesAreMeasuredByCommandAndInTraining) {
  const Json json =
      Json::parse(run({"eval", "features", "model", "--data", "data/validation/*.tar", "--json", "-"}));
  for (const std::string kind : {"image", "text"}) {
    EXPECT_GE(json["effective_eigenvalues_" + kind], 1);
    EXPECT_GE(json["effective_rank_" + kind], 1);
    EXPECT_LE(json["uniformity_" + kind], 0);
    EXPECT_GE(json["ajne_" + kind], 0);
  }
  EXPECT_GE(json["alignment"], json["modality_gap"].get<double>() * json["modality_gap"].get<double>())
      << "by Jensen's inequality";
  EXPECT_EQ(json["num_feature_pairs"], 32);
  EXPECT_EQ(json["num_compared_pairs"], 32);
  const std::vector<std::string> lines = read_lines((tiny_project() / "model" / "metrics.jsonl").string());
  const auto evaluated = std::ranges::find_if(
      lines, [](const std::string& line) { return line.find("val/loss") != std::string::npos; });
  ASSERT_NE(evaluated, lines.end());
  const Json metrics = Json::parse(*evaluated);
  for (const char* name : {"effective_eigenvalues_image", "effective_rank_text", "alignment",
                           "uniformity_image", "ajne_text", "modality_gap"})
    EXPECT_TRUE(metrics.contains(std::string("val/") + name)) << name << " in " << *evaluated;
}

TEST_F(Probe, EncodesTheStageThatIsAskedFor) {
  std::string list;
  for (const auto& entry : fs::recursive_directory_iterator(tiny_project() / kImages)) {
    if (entry.path().extension() == ".png") list += entry.path().string() + "\n";
  }
  write_file_atomically(tiny_project() / "list.txt", list);
  std::map<std::string, at::Tensor> features;
  for (const std::string stage : {"unit", "raw", "tower"}) {
    const std::string file = (tiny_project() / (stage + ".safetensors")).string();
    run({"encode", "model", "--images", "list.txt", "--features", stage, "--out", file});
    features[stage] = read_safetensors(file).tensors.at("image_features");
  }
  expect_close(features["raw"] / features["raw"].norm(2, 1, true), features["unit"], 1e-5, 1e-6);
  EXPECT_FALSE(at::allclose(features["raw"], features["unit"]));
  EXPECT_NE(features["tower"].size(1), features["raw"].size(1));

  // Of one pass over the images.
  run({"encode", "model", "--images", "list.txt", "--out", "both.safetensors", "--embeddings", "both"});
  expect_close(read_safetensors(tiny_project() / "both.safetensors").tensors.at("image_features"),
               features["unit"], 0, 0);
  run({"encode", "model", "--images", "list.txt", "--embeddings", "alone"});
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(tiny_project() / "alone")) {
    if (entry.path().extension() == ".npy")
      files.push_back(fs::relative(entry.path(), tiny_project() / "alone"));
  }
  EXPECT_FALSE(files.empty());
  for (const std::string& file : files)
    EXPECT_EQ(read_file(tiny_project() / "both" / file), read_file(tiny_project() / "alone" / file)) << file;
}

TEST_F(Probe, MistakesGetOneClearLine) {
  const fs::path other = tiny_project() / "other";
  fs::create_directories(other / "a");
  fs::create_directories(other / "b");
  for (const auto& entry : fs::recursive_directory_iterator(tiny_project() / kImages)) {
    if (entry.path().extension() != ".png") continue;
    fs::copy_file(entry.path(), other / "a/1.png", fs::copy_options::overwrite_existing);
    fs::copy_file(entry.path(), other / "b/1.png", fs::copy_options::overwrite_existing);
  }
  fs::copy(other, tiny_project() / "another", fs::copy_options::recursive);
  EXPECT_THAT(error_of({"eval", "linear-probe", "model", "--train", kImages, "--test", "other"}),
              ::testing::HasSubstr("'other' has the class 'a'"));
  EXPECT_THAT(error_of({"eval", "linear-probe", "model", "--train", "other", "--test", "other"}),
              ::testing::HasSubstr("give more images, or a C"));
  EXPECT_THAT(
      error_of({"train", "tiny.yaml", "--run-dir", "single", "--dry-run", "--eval.linear_probe.few.train",
                "other", "--eval.linear_probe.few.test", "another"}),
      ::testing::HasSubstr("eval.linear_probe.few: no class of 'other' has two images to learn from"));
  for (const std::string seed : {"-1", "123456789012345678901"}) {
    EXPECT_THAT(
        error_of({"eval", "few-shot", "model", "--train", kImages, "--test", kImages, "--seed", seed}),
        ::testing::HasSubstr("--seed"));
  }
  EXPECT_THAT(
      error_of({"encode", "model", "--texts", "tiny.yaml", "--features", "tower", "--out", "t.safetensors"}),
      ::testing::HasSubstr("--features tower is for images"));
  EXPECT_THAT(error_of({"eval", "few-shot", "model", "--train", "other", "--test", "other", "--shots", "2"}),
              ::testing::HasSubstr("the class 'a' has 1 usable image to train on"));
  EXPECT_THAT(error_of({"eval", "linear-probe", "model", "--train", "other", "--test", "other", "--method",
                        "sgd", "--c", "1"}),
              ::testing::HasSubstr("--c is for --method logistic"));
}

}  // namespace
}  // namespace cloob::testing

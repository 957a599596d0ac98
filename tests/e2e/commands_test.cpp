// What scripts rely on: every verb's options, files and JSON keys, on a small trained model.

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <set>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string run_or_fail(const std::vector<std::string>& arguments, const std::string& input = "") {
  const ProgramResult result = run_cloob(tiny_project(), arguments, input);
  EXPECT_EQ(result.exit_status, 0) << join(arguments, " ") << "\n" << result.errors;
  return result.output;
}

nlohmann::json json_of(const std::vector<std::string>& arguments) { return nlohmann::json::parse(run_or_fail(arguments)); }

std::set<std::string> keys_of(const nlohmann::json& json) {
  std::set<std::string> keys;
  for (const auto& item : json.items()) keys.insert(item.key());
  return keys;
}

class Commands : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    run_or_fail(train_arguments("model", {"--train.steps", "6", "--eval.zero_shot", "[data/held_out]"}));
    std::string images, texts;
    for (const auto& entry : fs::recursive_directory_iterator(tiny_project() / "data/held_out")) {
      if (entry.path().extension() != ".png") continue;
      images += entry.path().string() + "\n";
      texts += "a picture of one " + entry.path().parent_path().filename().string() + "\n";
    }
    write_file_atomically(tiny_project() / "images.txt", images);
    write_file_atomically(tiny_project() / "texts.txt", texts);
  }

  static NamedTensors features_of(const std::string& model) {
    const fs::path file = tiny_project() / "features.safetensors";
    run_or_fail({"encode", model, "--images", "images.txt", "--texts", "texts.txt", "--out", file.string()});
    return read_safetensors(file).tensors;
  }
};

TEST_F(Commands, EvalRetrievalPrintsItsMetrics) {
  const nlohmann::json all = json_of({"eval", "retrieval", "model", "--data", "data/validation/00000.tar",
                                      "--data.webdataset.json_caption_field", "captions", "--json", "-"});
  std::set<std::string> expected = {"num_images", "num_texts"};
  for (const std::string direction : {"image_to_text", "text_to_image"}) {
    for (const char* name : {"R@1", "R@5", "R@10", "median_rank", "mean_rank"}) expected.insert(direction + "_" + name);
  }
  EXPECT_EQ(keys_of(all), expected);
  EXPECT_EQ(all["num_texts"], 5 * all["num_images"].get<int>());
  EXPECT_LE(all["image_to_text_R@1"], all["image_to_text_R@10"]);
  // The data settings of the run say nothing about other data: without the field, the first caption alone.
  const nlohmann::json first = json_of({"eval", "retrieval", "model", "--data", "data/validation/00000.tar"});
  EXPECT_EQ(first["num_texts"], first["num_images"]);
}

TEST_F(Commands, EvalLossStatesItsBatch) {
  const nlohmann::json loss = json_of({"eval", "loss", "model", "--data", "data/validation/00000.tar"});
  EXPECT_EQ(loss["loss_batch_size"], 16);  // eval.loss_batch_size of the run
  EXPECT_EQ(loss["num_batches"], 2);
  EXPECT_EQ(json_of({"eval", "loss", "model", "--data", "data/validation/00000.tar", "--loss-batch-size", "100"})["loss_batch_size"], 32);
}

TEST_F(Commands, EvalZeroShotEqualsTheEvaluationDuringTraining) {
  const nlohmann::json result = json_of({"eval", "zero-shot", "model", "--data", "data/held_out", "--json", "-"});
  EXPECT_EQ(keys_of(result), (std::set<std::string>{"acc1", "acc5", "mean_per_class_recall", "num_samples", "num_classes"}));
  EXPECT_EQ(result["num_samples"], 32);
  const std::vector<std::string> lines = split(std::string(trim(read_file(tiny_project() / "model/metrics.jsonl"))), '\n');
  EXPECT_EQ(nlohmann::json::parse(lines.back())["val/held_out_acc1"], result["acc1"]);
}

TEST_F(Commands, FeaturesHaveLengthOneAndSurviveExportAndImport) {
  const NamedTensors features = features_of("model");
  ASSERT_EQ(features.size(), 2u);
  for (const auto& [name, rows] : features) {
    EXPECT_EQ(rows.sizes(), (std::vector<std::int64_t>{32, 32})) << name;
    EXPECT_TRUE(at::allclose(rows.norm(2, 1), at::ones({32}))) << name;
  }
  run_or_fail({"weights", "export", "model", "--out", "exported.safetensors"});
  run_or_fail({"weights", "import", "exported.safetensors", "--out", "imported"});
  for (const std::string model : {"exported.safetensors", "imported", "model/checkpoints/step_00000006"}) {
    for (const auto& [name, rows] : features_of(model)) EXPECT_TRUE(rows.equal(features.at(name))) << model << " " << name;
  }
  EXPECT_THAT(run_or_fail({"weights", "inspect", "imported"}), HasSubstr("visual.conv1.weight"));
}

TEST_F(Commands, BenchLossPrintsItsMetrics) {
  for (const std::string objective : {"clip", "cloob", "info_loob", "info_nce_hopfield"}) {
    const nlohmann::json result =
        json_of({"bench", "loss", "--objective", objective, "--batch", "64", "--dim", "16", "--beta", "8", "--inv-tau", "30"});
    EXPECT_EQ(keys_of(result), (std::set<std::string>{"loss", "grad_norm_image", "grad_norm_text", "seconds", "peak_gib"}));
  }
  EXPECT_EQ(run_cloob(tiny_project(), {"bench", "loss", "--objective", "clip", "--batch=-5"}).exit_status, 2);
  EXPECT_EQ(run_cloob(tiny_project(), {"bench", "loss", "--objective", "clip", "--inv-tau", "0"}).exit_status, 2);
}

TEST_F(Commands, ReportComparesRuns) {
  run_or_fail({"eval", "zero-shot", "model", "--data", "data/held_out", "--json", "model/zero_shot.json"});
  const std::string table = run_or_fail({"report", "one=model", "two=model", "--out", "report"});
  EXPECT_THAT(table, HasSubstr("x chance"));
  const auto results = nlohmann::json::parse(read_file(tiny_project() / "report/results.json"));
  EXPECT_EQ(results["num_images"], 32);
  EXPECT_EQ(results["one"]["acc1"], results["two"]["acc1"]);
  EXPECT_THAT(read_file(tiny_project() / "report/index.html"), HasSubstr("<svg"));
  EXPECT_EQ(run_cloob(tiny_project(), {"report", "one=model", "one=model", "--out", "report"}).exit_status, 2);
}

TEST_F(Commands, ADryRunSaysWhatWouldRun) {
  const std::string text = run_or_fail(train_arguments("dry", {"--dry-run", "--optimizer.lr", "2e-3"}));
  EXPECT_THAT(text, HasSubstr("lr: 0.002"));
  for (const char* part : {"command line", "tiny.yaml:", "parameters", "GFLOP", "peak"}) EXPECT_THAT(text, HasSubstr(part));
  EXPECT_FALSE(fs::exists(tiny_project() / "dry"));
}

TEST_F(Commands, ASentencePieceModelTrainsARun) {
  std::string captions;
  for (const auto& text : split(read_file(tiny_project() / "texts.txt"), '\n')) captions += text + "\n";
  write_file_atomically(tiny_project() / "captions.txt", captions);
  run_or_fail({"tokenizer", "train", "captions.txt", "--vocab-size", "36", "--out", "pieces.model"});
  run_or_fail(train_arguments("pieces", {"--text.tokenizer", "sentencepiece", "--text.model_file", "pieces.model",
                                         "--model.text.vocab_size", "36", "--train.steps", "4"}));
  EXPECT_EQ(json_of({"eval", "zero-shot", "pieces", "--data", "data/held_out"})["num_samples"], 32);
  const std::string ids = run_or_fail({"tokenize", "--tokenizer", "pieces.model"}, "a red circle\n");
  EXPECT_GE(split(std::string(trim(ids)), ' ').size(), 3u);
}

TEST_F(Commands, OutputThatCannotBeWrittenIsAnErrorBeforeTheWork) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"eval", "retrieval", "model", "--data", "data/validation/00000.tar", "--json", "no/r.json"},
        {"encode", "model", "--texts", "texts.txt", "--out", "no/f.safetensors"},
        {"weights", "export", "model", "--out", "no/w.safetensors"}}) {
    const ProgramResult result = run_cloob(tiny_project(), arguments);
    EXPECT_EQ(result.exit_status, 2);
    EXPECT_THAT(result.errors, HasSubstr("no"));
  }
}

}  // namespace
}  // namespace cloob::testing

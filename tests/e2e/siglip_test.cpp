// The sigmoid loss as a user meets it: trained, stopped and resumed, evaluated, exported and imported; and how losses saturate.

#include <signal.h>

#include <nlohmann/json.hpp>
#include <set>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/named_tensors.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

using ::testing::HasSubstr;

ProgramResult run_or_fail(const std::vector<std::string>& arguments) {
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 0) << join(arguments, " ") << "\n" << result.errors;
  return result;
}

nlohmann::json json_of(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--json", "-"});
  return nlohmann::json::parse(run_or_fail(arguments).output);
}

// With the recipe's retrieval, an average of the weights and gradient caching.
const std::vector<std::string> kSettings = {"--loss.kind",
                                            "sigmoid",
                                            "--loss.inv_tau",
                                            "10",
                                            "--loss.learn_inv_tau",
                                            "true",
                                            "--optimizer.ema_decay",
                                            "0.9",
                                            "--optimizer.weight_decay",
                                            "0.2",
                                            "--train.gradient_cache_parts",
                                            "2"};

std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

class SigLip : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { run_or_fail(train_arguments("sigmoid", kSettings)); }
};

TEST_F(SigLip, LearnsItsBiasAndEndsTheSameAfterAStop) {
  const std::vector<std::string> arguments = train_arguments("parts", with(kSettings, {"--resume", "auto"}));
  BackgroundProgram program(tiny_project(), arguments);
  wait_for_lines(program, tiny_project() / "parts", 6);
  program.send_signal(SIGKILL);
  EXPECT_EQ(program.wait(), 128 + SIGKILL);
  run_or_fail(arguments);
  const NamedTensors straight = final_tensors(tiny_project() / "sigmoid");
  expect_same_bits(final_tensors(tiny_project() / "parts"), straight);
  const double bias = straight.at("weights.safetensors:logit_bias").item<double>();
  EXPECT_NE(bias, -10);
  EXPECT_NEAR(bias, -10, 1);  // 16 steps of about the learning rate
  EXPECT_TRUE(straight.contains("training.safetensors:optimizer.logit_bias.exp_avg"));
  const std::string metrics = read_file(tiny_project() / "sigmoid" / "metrics.jsonl");
  EXPECT_THAT(metrics, HasSubstr("\"train/logit_bias\": -"));
  for (const char* const name : {"val/positive_mass", "val/gradient_weight", "val/retrieval_entropy"})
    EXPECT_THAT(metrics, HasSubstr(name));
}

TEST_F(SigLip, CannotBeResumedWithAnotherLoss) {
  const ProgramResult result = run_cloob(
      tiny_project(),
      train_arguments("sigmoid", {"--resume", "auto", "--loss.kind", "info_nce", "--train.steps", "20"}));
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("a learned 'logit_bias' and loss.kind is not sigmoid"));
}

TEST_F(SigLip, IsEvaluatedExportedAndImported) {
  const std::vector<std::string> on_data = {"--data", "data/validation/00000.tar"};
  const nlohmann::json loss = json_of(with({"eval", "loss", "sigmoid"}, on_data));
  EXPECT_EQ(loss["objective"], "sigmoid_hopfield");
  EXPECT_NEAR(loss["chance_loss"].get<double>(), 16 * std::log(16.0) - 15 * std::log(15.0), 1e-9);
  EXPECT_GT(loss["gradient_weight"], 0);
  EXPECT_LT(loss["gradient_weight"], 1);
  run_or_fail({"weights", "export", "sigmoid", "--out", "folder"});
  const ProgramResult file = run_or_fail({"weights", "export", "sigmoid", "--out", "sigmoid.safetensors"});
  EXPECT_THAT(file.errors, HasSubstr("init_logit_bias"));
  run_or_fail({"weights", "import", "folder", "--out", "imported"});
  const auto bias = [](const std::string& path) {
    return read_safetensors(tiny_project() / path).tensors.at("logit_bias");
  };
  const at::Tensor trained = bias("sigmoid/checkpoints/step_00000016/weights.safetensors");
  for (const char* const path :
       {"folder/open_clip_model.safetensors", "sigmoid.safetensors", "imported/weights.safetensors"})
    EXPECT_TRUE(bias(path).equal(trained)) << path;
  const nlohmann::json imported = json_of(with({"eval", "loss", "imported"}, on_data));
  EXPECT_EQ(imported["objective"], "siglip");
  EXPECT_THAT(run_or_fail({"weights", "inspect", "imported"}).output, HasSubstr("logit_bias"));
}

// The bias begins anew with a loss that has one, and ends with one that has none.
TEST_F(SigLip, StartsFromWeightsOfOtherLossesAndTheReverse) {
  run_or_fail(train_arguments("clip", {"--train.steps", "1", "--objective", "clip", "--loss.kind", "info_nce",
                                       "--train.initial_weights", "sigmoid"}));
  run_or_fail(train_arguments("again", {"--train.steps", "1", "--loss.kind", "sigmoid", "--loss.logit_bias",
                                        "-4", "--train.initial_weights", "clip"}));
  const NamedTensors clip =
      read_safetensors(tiny_project() / "clip/checkpoints/step_00000001/weights.safetensors").tensors;
  EXPECT_FALSE(clip.contains("logit_bias"));
  const NamedTensors again =
      read_safetensors(tiny_project() / "again/checkpoints/step_00000001/weights.safetensors").tensors;
  EXPECT_NEAR(again.at("logit_bias").item<double>(), -4, 0.01);
}

TEST(BenchSaturation, HasARowForEveryCell) {
  const std::vector<std::string> small = {"bench",   "saturation", "--alignment", "0", "0.9",
                                          "--batch", "16",         "--beta",      "3", "8",
                                          "--draws", "2",          "--dim",       "8"};
  const nlohmann::json result = json_of(small);
  EXPECT_EQ(result["rows"].size(), 2U * (3 + 3 * 2));
  for (const nlohmann::json& row : result["rows"]) {
    EXPECT_GT(row["gradient"], 0) << row;
    EXPECT_EQ(row.contains("beta"), row["objective"] == "cloob" || row["objective"] == "info_nce_hopfield" ||
                                        row["objective"] == "sigmoid_hopfield");
  }
  const std::string table = run_or_fail(with(small, {"--svg", "curves.svg"})).output;
  EXPECT_THAT(table, HasSubstr("sigmoid_hopfield"));
  EXPECT_THAT(read_file(tiny_project() / "curves.svg"),
              HasSubstr("Gradient as pairs align (16 pairs, beta 8)"));
  run_or_fail(with(small, {"--svg", "curves.svg"}));  // may replace its own
  const ProgramResult other = run_cloob(tiny_project(), with(small, {"--svg", "tiny.yaml"}));
  EXPECT_EQ(other.exit_status, 2);
  EXPECT_THAT(run_cloob(tiny_project(), {"bench", "saturation", "--alignment", "1"}).errors,
              HasSubstr("0.9999"));
}

TEST(RenderShapes, WritesImagesForProbesOfAttributes) {
  run_or_fail({"data", "render-shapes", "follows", "--image-size", "16", "--train", "16", "--validation", "0",
               "--held-out", "0", "--shape-follows-color", "--attributes", "64"});
  EXPECT_TRUE(std::filesystem::is_directory(tiny_project() / "follows/attributes/shape/test"));
  const ProgramResult few = run_cloob(tiny_project(), {"data", "render-shapes", "few", "--attributes", "10"});
  EXPECT_EQ(few.exit_status, 2);
  EXPECT_THAT(few.errors, HasSubstr("--attributes is 10, must be 0 or at least 64"));
}

}  // namespace
}  // namespace cloob::testing

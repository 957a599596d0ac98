#include "cloob/checkpoint/inspect.h"

#include <nlohmann/json.hpp>

#include "sample_checkpoint.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using ::testing::HasSubstr;
using testing::TempDir;
using Json = nlohmann::json;

std::filesystem::path golden(const std::string& name) { return testing::golden_path("checkpoint/" + name); }

TEST(Inspect, DescribesAWeightsFile) {
  const Json json = Json::parse(inspect_as_json(golden("cloob.pt")));
  EXPECT_EQ(json.at("format"), "torch.save");
  EXPECT_EQ(json.at("source"), "cloob");
  EXPECT_EQ(json.at("num_tensors"), 18);
  EXPECT_EQ(json.at("num_parameters"), 160);
  EXPECT_EQ(json.at("metadata").at("model_config_file"), "RN50.json");
  EXPECT_EQ(json.at("tensors").at("module.visual.conv1.weight"),
            (Json{{"dtype", "F32"}, {"shape", {2, 3, 1, 1}}}));
  const std::string text = inspect_as_text(golden("cloob.pt"));
  EXPECT_THAT(text, HasSubstr("cloob.pt: torch.save, weights of cloob\n"));
  EXPECT_THAT(text, HasSubstr("weights: 18 tensors, 160 parameters, 664 B\n"));
  EXPECT_THAT(text, HasSubstr("'module.visual.conv1.weight'"));
  EXPECT_THAT(text, HasSubstr("F32      [2, 3, 1, 1]\n"));
}

TEST(Inspect, DistinguishesFormats) {
  EXPECT_EQ(Json::parse(inspect_as_json(golden("openai_traced.pt"))).at("format"), "TorchScript");
  EXPECT_EQ(Json::parse(inspect_as_json(golden("weights.safetensors"))).at("format"), "safetensors");
}

TEST(Inspect, DescribesACheckpointAndItsRun) {
  const TempDir folder;
  write_checkpoint(folder / "run" / "checkpoints" / "step_00001230", testing::sample_checkpoint(1230));
  const Json json = Json::parse(inspect_as_json(folder / "run"));
  EXPECT_THAT(json.at("path"), HasSubstr("step_00001230"));
  EXPECT_EQ(json.at("format"), "checkpoint");
  EXPECT_EQ(json.at("state").at("step"), 1230);
  EXPECT_EQ(json.at("state").at("metrics").at("val/R@1"), 1.23);
  EXPECT_EQ(json.at("training").at("num_tensors"), 2);
  const std::string text = inspect_as_text(folder / "run");
  EXPECT_THAT(text, HasSubstr("step 1,230, epoch 40.59, 39,360 samples seen, 2m 03s of training\n"));
  EXPECT_THAT(text, HasSubstr("val/R@1 1.23\n"));
  EXPECT_THAT(text, HasSubstr("training state: 2 tensors"));
}

TEST(Inspect, DescribesFilesThatCannotBeImported) {
  const Json json = Json::parse(inspect_as_json(golden("strided.pt")));
  EXPECT_THAT(json.at("not_importable"), HasSubstr("no supported CLIP model"));
  EXPECT_EQ(json.at("tensors").at("half").at("dtype"), "F16");
  EXPECT_THAT(inspect_as_text(golden("strided.pt")), HasSubstr("cannot be imported: '"));
  expect_user_error([] { inspect_as_json(golden("calls_eval.pt")); }, {"contains no weights"});
}

}  // namespace
}  // namespace cloob

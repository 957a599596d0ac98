// configs/model against open_clip: names, shapes, parameters, FLOPs.
#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cloob/base/files.h"
#include "cloob/config/config.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/model/flops.h"
#include "cloob/model/infer_config.h"
#include "cloob/model/weights.h"
#include "cloob/nn/initializer.h"
#include "support/support.h"

namespace cloob {
namespace {

struct File {
  ModelConfig model;
  static constexpr auto fields() { return std::tuple(field("model", &File::model, "The architecture.")); }
};

ModelConfig read_model(const std::string& name) {
  const std::filesystem::path path = testing::source_dir() / "configs" / "model" / (name + ".yaml");
  return read_config<File>(ConfigSource::from_file(path)).model;
}

class Architecture : public ::testing::TestWithParam<std::string> {};

TEST_P(Architecture, HasOpenClipsParametersAndFlops) {
  const ModelConfig config = read_model(GetParam());
  const auto golden =
      nlohmann::json::parse(read_file(testing::golden_path("model/costs.json"))).at(GetParam());
  const ParameterCount parameters = count_parameters(config);
  EXPECT_EQ(parameters.image, golden.at("image_parameters").get<std::int64_t>());
  EXPECT_EQ(parameters.text, golden.at("text_parameters").get<std::int64_t>());
  EXPECT_EQ(parameters.total, parameters.image + parameters.text + 1);
  const Flops flops = count_flops(config);
  EXPECT_EQ(flops.image, golden.at("image_flops").get<std::int64_t>());
  EXPECT_EQ(flops.text, golden.at("text_flops").get<std::int64_t>());
}

INSTANTIATE_TEST_SUITE_P(Published, Architecture,
                         ::testing::Values("RN50", "RN101", "RN50x4", "RN50x16", "ViT-S-32", "ViT-S-16",
                                           "ViT-B-32", "ViT-B-16", "ViT-L-14"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// The parameter counts published with CLOOB.
TEST(Architectures, HavePublishedSizes) {
  EXPECT_EQ(count_parameters(read_model("RN50")).total, 102'007'137);
  EXPECT_EQ(count_parameters(read_model("RN101")).total, 119'688'033);
  EXPECT_EQ(count_parameters(read_model("RN50x4")).total, 178'300'601);
  EXPECT_EQ(count_parameters(read_model("RN50x16")).total, 290'979'217);
  EXPECT_EQ(count_parameters(read_model("ViT-B-16")).total, 149'620'737);
  EXPECT_EQ(count_parameters(read_model("ViT-B-32")).total, 151'277'313);
}

TEST(Architectures, NameTheirTensorsAsOpenClipDoes) {
  for (const std::string name : {"RN50", "ViT-B-32"}) {
    std::ostringstream ours;
    for (const auto& [tensor_name, tensor] :
         weights_of(DualEncoder(read_model(name), Initializer::shapes_only()))) {
      ours << tensor_name;
      for (const std::int64_t size : tensor.sizes()) ours << ' ' << size;
      ours << '\n';
    }
    EXPECT_EQ(ours.str(), read_file(testing::golden_path("model/" + name + ".names.txt")));
  }
}

TEST(Architectures, AreInferredFromTheirTensors) {
  for (const std::string name :
       {"RN50", "RN101", "RN50x4", "RN50x16", "ViT-S-32", "ViT-S-16", "ViT-B-32", "ViT-B-16", "ViT-L-14"}) {
    const ModelConfig config = read_model(name);
    ModelConfig found = infer_model_config(weights_of(DualEncoder(config, Initializer::shapes_only())));
    EXPECT_EQ(print_config(File{found}), print_config(File{config}));
  }
}

}  // namespace
}  // namespace cloob

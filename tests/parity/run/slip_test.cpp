// Import of SLIP's models against SLIP's own code (make_slip.py).
#include <ATen/ATen.h>

#include <set>

#include "checkpoint/weight_names.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/model/infer_config.h"
#include "cloob/model/weights.h"
#include "cloob/run/export_model.h"
#include "cloob/run/import_model.h"
#include "parity/model/formula.h"
#include "parity/model/names_file.h"
#include "run/untold_settings.h"
#include "support/support.h"

namespace cloob {
namespace {

// A model of the published sizes needs no memory for its shapes.
TEST(Slip, TheTensorsOfItsPublishedModelsAreThoseOfTheirArchitecture) {
  std::set<std::string> names;
  const auto shapes = testing::read_shapes("SLIP_VITB16.names.txt");
  for (const auto& [name, shape] : shapes) names.insert("module." + name);
  const NamePlan plan = plan_names("x.pt", "torch.save", names);
  NamedTensors weights;
  for (const auto& [name, tensor] : plan.tensors) {
    ASSERT_EQ(tensor.parts.size(), 1) << name;
    std::vector<std::int64_t> shape = shapes.at(tensor.parts[0].substr(std::string("module.").size()));
    while (tensor.drops_leading_ones && shape.size() > 1 && shape[0] == 1) shape.erase(shape.begin());
    weights[name] = at::empty(shape, at::TensorOptions(at::kMeta));
  }
  const ModelConfig config = infer_model_config(weights, slip_settings(weights).heads);
  require_weights_of(config, weights, "x.pt");
  EXPECT_EQ(config.image.image_size, 224);
  EXPECT_EQ(config.image.patch_size, 16);
  EXPECT_EQ(config.image.heads(), 12);
  EXPECT_EQ(config.text.heads, 8);
  EXPECT_EQ(config.text.context_length, 77);
}

class SmallSlip : public ::testing::Test {
 protected:
  SmallSlip() {
    NamedTensors weights;
    for (const auto& [name, shape] : testing::read_shapes("slip_small.names.txt")) {
      weights["module." + name] =
          name.ends_with("tracked") ? at::zeros({}, at::kLong) : testing::formula_weight(name, shape);
    }
    write_safetensors(file_, weights, {});
  }

  void expect_features(const ImportedModel& imported) const {
    const NamedTensors golden =
        read_safetensors(testing::golden_path("model/slip_small.safetensors")).tensors;
    DualEncoder model(imported.config.model, Initializer::uninitialized());
    load_weights(model, imported.weights, "imported");
    model->to(at::kDouble);
    const at::Tensor tokens = golden.at("tokens");
    const at::Tensor images = testing::filled("images", {4, 3, 32, 32}, 0, 1).to(at::kDouble);
    testing::expect_relative_norm(model->encode_image(images), golden.at("image_features"), 1e-7, "images");
    testing::expect_relative_norm(model->encode_text(tokens, tokens.argmax(1)), golden.at("text_features"),
                                  1e-7, "texts");
  }

  const testing::TempDir folder_;
  const std::filesystem::path file_ = folder_ / "slip.safetensors";
};

TEST_F(SmallSlip, HasSlipsFeatures) {
  const ImportedModel imported = import_model(file_, {});
  EXPECT_EQ(imported.config.model.image.heads(), 12);
  expect_features(imported);
}

TEST_F(SmallSlip, HasThemAfterExportAndImport) {
  export_file(import_model(file_, {}), folder_ / "exported.safetensors");
  expect_features(import_model(folder_ / "exported.safetensors", {}));
}

}  // namespace
}  // namespace cloob

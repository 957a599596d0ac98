// Import of the ProtoCLIP authors' models against their own code (make_protoclip_training.py).
#include <ATen/ATen.h>

#include "cloob/checkpoint/safetensors.h"
#include "cloob/model/weights.h"
#include "cloob/run/import_model.h"
#include "parity/model/formula.h"
#include "parity/model/names_file.h"
#include "support/support.h"

namespace cloob {
namespace {

class SmallProtoClip : public ::testing::Test {
 protected:
  SmallProtoClip() {
    NamedTensors weights;
    for (const auto& [name, shape] : testing::read_shapes("protoclip_small.names.txt")) {
      at::Tensor& weight = weights["module." + name];
      if (name.ends_with("tracked")) {
        weight = at::zeros({}, at::kLong);
      } else {
        weight = shape.empty() ? at::full({}, 2.0) : testing::formula_weight(name, shape);
      }
    }
    write_safetensors(file_, weights, {});
  }

  const testing::TempDir folder_;
  const std::filesystem::path file_ = folder_ / "protoclip.safetensors";
};

TEST_F(SmallProtoClip, HasTheAuthorsFeatures) {
  const ImportedModel imported = import_model(file_, {});
  EXPECT_EQ(imported.config.model.image.kind, ImageEncoderKind::resnet);
  EXPECT_EQ(imported.config.model.activation, Activation::quick_gelu);
  EXPECT_EQ(imported.config.text.truncation, Truncation::cut);
  EXPECT_TRUE(imported.config.image.resize_before_rgb);
  const NamedTensors golden =
      read_safetensors(testing::golden_path("model/protoclip_small.safetensors")).tensors;
  DualEncoder model(imported.config.model, Initializer::uninitialized());
  load_weights(model, imported.weights, "imported");
  model->to(at::kDouble);
  model->eval();
  const at::Tensor tokens = golden.at("tokens");
  const at::Tensor images = testing::filled("images", {4, 3, 64, 64}, 0, 1).to(at::kDouble);
  testing::expect_relative_norm(model->encode_image(images), golden.at("image_features"), 1e-7, "images");
  testing::expect_relative_norm(model->encode_text(tokens, tokens.argmax(1)), golden.at("text_features"),
                                1e-7, "texts");
}

TEST_F(SmallProtoClip, IsAnInitialModel) {
  const InitialWeights initial = read_initial_weights(file_.string());
  EXPECT_EQ(initial.activation, Activation::quick_gelu);
  EXPECT_TRUE(initial.activation_is_known);
  EXPECT_FALSE(initial.tensors.contains("logit_scale_proto"));
  EXPECT_TRUE(initial.tensors.contains("logit_scale"));
}

}  // namespace
}  // namespace cloob

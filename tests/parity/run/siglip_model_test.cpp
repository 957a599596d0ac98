// A model of open_clip with a logit_bias, as its --siglip trains them, and the loss of a batch by open_clip
// (tools/goldens/make_siglip.py).
#include <ATen/ATen.h>

#include "cloob/base/collectives.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/run/load_model.h"
#include "support/support.h"

namespace cloob {
namespace {

TEST(SigLipModel, OfOpenClipHasItsFeaturesAndItsLoss) {
  const auto folder = testing::golden_path("checkpoint/siglip");
  const NamedTensors expected = read_safetensors(folder / "expected.safetensors").tensors;
  const SingleProcess alone;
  const LoadedModel loaded =
      load_model((folder / "open_clip_model.safetensors").string(), alone, at::kCPU, std::nullopt);
  FeatureModel& model = loaded.features();
  const at::Tensor image = model.encode_image(expected.at("images"), {}).unit_BD,
                   text = model.encode_text(expected.at("tokens"), expected.at("ends"));
  testing::expect_close(image, expected.at("image_features"), 1e-5, 1e-6, "image");
  testing::expect_close(text, expected.at("text_features"), 1e-5, 1e-6, "text");
  EXPECT_EQ(model.loss_name(), "siglip");
  testing::expect_close(model.measure_pairs(image, text).loss, expected.at("loss"), 1e-5, 0, "loss");
}

}  // namespace
}  // namespace cloob

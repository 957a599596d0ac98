#include "train/training_parts.h"

#include "cloob/base/tensor_copies.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/config/config.h"
#include "cloob/model/weights.h"
#include "cloob/run/export_model.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;

RunConfig vit_config() {
  RunConfig config;
  config.model = {
      .embed_dim = 12,
      .activation = Activation::quick_gelu,
      .image = {.kind = ImageEncoderKind::vit, .image_size = 16, .layers = {1}, .width = 64, .patch_size = 8},
      .text = {.context_length = 8, .vocab_size = 20, .width = 64, .heads = 1, .layers = 1}};
  return config;
}

// Settings without a trace in the shapes of tensors.
void expect_same_image_tower_required(const std::string& weights) {
  RunConfig config = vit_config();
  config.train.initial_weights = weights;
  expect_user_error(
      [&] { read_starting_weights(config); },
      {weights, "model.image.activation gelu, but it is quick_gelu in this run: set it to gelu"});
  config.model.image.activation = Activation::gelu;
  expect_user_error([&] { read_starting_weights(config); },
                    {weights, "model.image.norm_eps 1e-06, but it is 1e-05 in this run"});
  config.model.image.norm_eps = 1e-6;
  EXPECT_FALSE(read_starting_weights(config).tensors.empty());
}

TEST(ReadStartingWeights, RequiresTheImageTowerOfTheWeights) {
  const TempDir folder;
  RunConfig config = vit_config();
  config.model.image.activation = Activation::gelu;
  config.model.image.norm_eps = 1e-6;
  const ImportedModel model{
      .weights = copies_of(weights_of(DualEncoder(config.model, Initializer::random(1)))), .config = config};
  export_file(model, folder / "x.safetensors");
  expect_same_image_tower_required(folder / "x.safetensors");
  Checkpoint checkpoint;
  checkpoint.weights = model.weights;
  checkpoint.weights_metadata = weights_metadata(config);
  checkpoint.config_yaml = print_config(config);
  write_checkpoint(folder / "checkpoint", checkpoint);
  expect_same_image_tower_required(folder / "checkpoint");
}

}  // namespace
}  // namespace cloob

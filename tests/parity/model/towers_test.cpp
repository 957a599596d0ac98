// Features and gradients of small towers against open_clip's CLIP class with the same weights (make_model.py), and
// against SLIP's (make_slip.py).
#include <ATen/ATen.h>

#include "cloob/checkpoint/safetensors.h"
#include "cloob/device/autocast.h"
#include "cloob/model/weights.h"
#include "formula.h"
#include "support/support.h"

namespace cloob {
namespace {

ModelConfig small_resnet() {
  return {.embed_dim = 12,
          .activation = Activation::quick_gelu,
          .image = {.kind = ImageEncoderKind::resnet,
                    .image_size = 64,
                    .layers = {2, 1, 1, 1},
                    .width = 2,
                    .patch_size = std::nullopt,
                    .head_width = 16},
          .text = {.context_length = 10, .vocab_size = 40, .width = 16, .heads = 2, .layers = 2},
          .round_init_to_fp16 = false};
}

ModelConfig small_vit(Activation activation) {
  ModelConfig config = small_resnet();
  config.activation = activation;
  config.image = {.kind = ImageEncoderKind::vit,
                  .image_size = 24,
                  .layers = {2},
                  .width = 16,
                  .patch_size = 8,
                  .head_width = 8};
  return config;
}

// Its image tower is timm's vision transformer.
ModelConfig small_slip() {
  ModelConfig config = small_vit(Activation::quick_gelu);
  config.image.norm_before_blocks = false;
  config.image.patch_bias = true;
  config.image.norm_eps = 1e-6;
  config.image.activation = Activation::gelu;
  return config;
}

struct Case {
  std::string golden;
  ModelConfig config;
  bool train;
};

void PrintTo(const Case& test_case, std::ostream* out) { *out << test_case.golden; }

struct Results {
  at::Tensor image_features;
  at::Tensor text_features;
  at::Tensor loss;
};

class Towers : public ::testing::TestWithParam<Case> {
 protected:
  Towers()
      : golden_(
            read_safetensors(testing::golden_path("model/" + GetParam().golden + ".safetensors")).tensors),
        model_(GetParam().config, Initializer::uninitialized()) {
    NamedTensors weights = weights_of(model_);
    for (auto& [name, tensor] : weights) {
      tensor = tensor.scalar_type() == at::kLong ? at::zeros_like(tensor)
                                                 : testing::formula_weight(name, tensor.sizes());
    }
    load_weights(model_, weights, "formula");
    model_->train(GetParam().train);
  }

  /// CLIP's loss: the mean of the cross-entropies over rows and over columns.
  Results run(at::ScalarType type) {
    model_->to(type);
    const std::int64_t size = GetParam().config.image.image_size;
    const at::Tensor tokens = golden_.at("tokens");
    const at::Tensor image =
        model_->encode_image(testing::filled("images", {4, 3, size, size}, 0, 1).to(type));
    const at::Tensor text = model_->encode_text(tokens, tokens.argmax(1));
    const at::Tensor logits = model_->inv_tau().to(image.scalar_type()) * at::matmul(image, text.t());
    const at::Tensor labels = at::arange(4);
    return {image, text,
            (at::cross_entropy_loss(logits, labels) + at::cross_entropy_loss(logits.t(), labels)) / 2};
  }

  void expect_features(const Results& results, double tolerance) const {
    testing::expect_relative_norm(results.image_features, golden_.at("image_features"), tolerance,
                                  "image_features");
    testing::expect_relative_norm(results.text_features, golden_.at("text_features"), tolerance,
                                  "text_features");
    testing::expect_relative_norm(results.loss, golden_.at("loss"), tolerance, "loss");
  }

  /// Leaves out the biases of attention keys: their exact gradient is zero, so the computed one is rounding
  /// error.
  void expect_gradients(double tolerance) const {
    std::int64_t num_compared = 0;
    for (const auto& parameter : model_->named_parameters()) {
      const std::string& name = parameter.key();
      if (name == "visual.attnpool.k_proj.bias") continue;
      at::Tensor actual = parameter.value().grad(), expected = golden_.at("grad." + name);
      ASSERT_TRUE(actual.defined()) << name;
      if (name.ends_with("in_proj_bias")) {
        const auto without_keys = [](const at::Tensor& bias) {
          const std::vector<at::Tensor> parts = bias.chunk(3);
          return at::cat({parts[0], parts[2]});
        };
        actual = without_keys(actual);
        expected = without_keys(expected);
      }
      EXPECT_GT(expected.norm().item<double>(), 0) << name << " has a zero gradient: nothing is compared";
      testing::expect_relative_norm(actual, expected, tolerance, name);
      ++num_compared;
    }
    EXPECT_GT(num_compared, 40);
  }

  void expect_buffers(double tolerance) const {
    for (const auto& buffer : model_->named_buffers()) {
      testing::expect_relative_norm(buffer.value(), golden_.at("buffer." + buffer.key()), tolerance,
                                    buffer.key());
    }
  }

  NamedTensors golden_;
  DualEncoder model_;
};

TEST_P(Towers, MatchTheReferencesFeaturesAndGradients) {
  const Results results = run(at::kFloat);
  expect_features(results, 1e-5);
  results.loss.backward();
  expect_gradients(1e-4);
  if (GetParam().train) expect_buffers(1e-5);
}

TEST_P(Towers, MatchInFloat64ToTheLastDigitsOfTheGolden) {
  const Results results = run(at::kDouble);
  expect_features(results, 1e-7);
  results.loss.backward();
  expect_gradients(1e-6);
}

TEST_P(Towers, AreCloseUnderAutocast) {
  const auto results = [&] {
    const Autocast autocast(at::kCPU, Precision::bf16);
    return run(at::kFloat);
  }();
  expect_features(results, 0.05);
  results.loss.backward();
  for (const auto& parameter : model_->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().isfinite().all().item<bool>()) << parameter.key();
    EXPECT_EQ(parameter.value().grad().scalar_type(), at::kFloat) << parameter.key();
  }
}

INSTANTIATE_TEST_SUITE_P(Small, Towers,
                         ::testing::Values(Case{"resnet_train", small_resnet(), true},
                                           Case{"resnet_eval", small_resnet(), false},
                                           Case{"vit_gelu", small_vit(Activation::gelu), true},
                                           Case{"vit_quick_gelu", small_vit(Activation::quick_gelu), true},
                                           Case{"slip", small_slip(), true}),
                         [](const auto& test) { return test.param.golden; });

}  // namespace
}  // namespace cloob

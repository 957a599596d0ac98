// Hopfield layers against hopfield-layers in fp64 (tools/goldens/make_retrieval.py): results, weights and the gradients of
// inputs and parameters.
#include <ATen/ATen.h>

#include "cloob/base/prefixed_tensors.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/retrieval/hopfield_layer.h"
#include "support/support.h"

namespace cloob {
namespace {

constexpr double kTolerance = 1e-12;

class HopfieldLayers : public ::testing::Test {
 protected:
  /// A case of the golden file, by its label.
  explicit HopfieldLayers()
      : golden_(read_safetensors(testing::golden_path("retrieval/hopfield_layers.safetensors")).tensors) {}

  void open(const std::string& label) {
    SCOPED_TRACE(label);
    label_ = label + ".";
    inputs_.clear();
    for (int i = 0; golden_.contains(label_ + "value.input_" + std::to_string(i)); ++i)
      inputs_.push_back(golden("value.input_" + std::to_string(i)).clone().requires_grad_());
  }

  at::Tensor golden(const std::string& name) const { return golden_.at(label_ + name); }
  at::Tensor mask() const {
    const auto found = golden_.find(label_ + "mask");
    return found == golden_.end() ? at::Tensor() : found->second;
  }

  /// Gives a module the parameters of the case. Both must have the same, by name and shape.
  void load(torch::nn::Module& module) {
    module.to(at::kDouble);
    const at::NoGradGuard no_grad;
    std::size_t num_expected = 0;
    for (const auto& [name, tensor] : golden_) {
      num_expected +=
          name.starts_with(label_ + "value.") && !name.starts_with(label_ + "value.input_") ? 1 : 0;
    }
    for (const auto& item : module.named_parameters()) {
      const at::Tensor expected = golden("value." + golden_name(item.key()));
      const bool is_beta = item.key() == "association_core.log_beta";
      ASSERT_TRUE(is_beta || item.value().sizes() == expected.sizes()) << item.key();
      item.value().copy_(expected);
    }
    EXPECT_EQ(module.parameters().size(), num_expected);
  }

  void expect_results(const torch::nn::Module& module, const at::Tensor& output, const at::Tensor& weights) {
    const at::Tensor expected = golden("output");
    testing::expect_close(output, expected, kTolerance, kTolerance, label_ + "output");
    if (weights.defined())
      testing::expect_close(weights, golden("weights"), kTolerance, kTolerance, label_ + "weights");
    (output * golden("target")).sum().backward();
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      expect_gradient("input_" + std::to_string(i), inputs_[i]);
    for (const auto& item : module.named_parameters()) expect_gradient(golden_name(item.key()), item.value());
  }

  void expect_association(const std::string& label, const HopfieldShape& shape) {
    open(label);
    Hopfield layer(shape, initializer_);
    load(*layer);
    const at::Tensor &state = inputs_[0], &stored = inputs_[1], &values = inputs_[2];
    expect_results(*layer, layer->forward(state, stored, values, mask()),
                   layer->weights(state, stored, mask()));
  }

  Initializer initializer_ = Initializer::random(1);
  std::vector<at::Tensor> inputs_;

 private:
  // Theirs is no parameter of the layer, and one for all heads.
  static std::string golden_name(const std::string& name) {
    return name == "association_core.log_beta" ? "log_beta" : name;
  }
  void expect_gradient(const std::string& name, const at::Tensor& leaf) const {
    at::Tensor gradient = leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf);
    if (name == "log_beta") gradient = gradient.sum();
    testing::expect_close(gradient, golden("grad." + name), kTolerance, kTolerance, label_ + "grad." + name);
  }

  NamedTensors golden_;
  std::string label_;
};

constexpr HopfieldShape shape_without_norms(HopfieldShape shape) {
  shape.normalize_state = shape.normalize_stored = shape.normalize_values = false;
  return shape;
}

TEST_F(HopfieldLayers, OfOneSetMatch) {
  open("self");
  Hopfield layer(HopfieldShape{.state_size = 6, .heads = 2}, initializer_);
  load(*layer);
  const at::Tensor& x = inputs_[0];
  expect_results(*layer, layer->forward(x, x, x), layer->weights(x, x));
}

TEST_F(HopfieldLayers, OfTwoSetsMatch) {
  expect_association("sizes", {.state_size = 6,
                               .stored_size = 5,
                               .value_size = 7,
                               .output_size = 2,
                               .heads = 2,
                               .hidden_size = 4,
                               .pattern_size = 3});
  expect_association("own_pattern_excluded", {.state_size = 6, .heads = 3});
  expect_association("beta", {.state_size = 6, .heads = 2, .beta = {3}, .learn_beta = true});
  expect_association("no_norms", shape_without_norms({.state_size = 6, .heads = 2}));
  expect_association("hidden_norm", {.state_size = 6,
                                     .heads = 2,
                                     .hidden_size = 4,
                                     .normalize_hidden = true,
                                     .beta = {0.3},
                                     .learn_beta = true});
}

TEST_F(HopfieldLayers, OfSeveralUpdateStepsMatch) {
  HopfieldShape shape{.state_size = 6,
                      .heads = 2,
                      .hidden_size = 4,
                      .beta = {1.5},
                      .learn_beta = true,
                      .max_update_steps = 4,
                      .update_eps = 1e-12};
  expect_association("steps", shape);
  shape.update_eps = 0.2;
  expect_association("one_head_stops", shape);
  shape.max_update_steps = 1000;
  shape.update_eps = 1e-3;
  expect_association("until_converged", shape);
}

TEST_F(HopfieldLayers, WithoutProjectionsMatch) {
  expect_association("static", shape_without_norms({.state_size = 6,
                                                    .project_state = false,
                                                    .project_stored = false,
                                                    .project_values = false,
                                                    .project_output = false,
                                                    .beta = {2},
                                                    .learn_beta = true,
                                                    .max_update_steps = 2}));
  expect_association(
      "static_state",
      {.state_size = 4, .stored_size = 5, .value_size = 5, .hidden_size = 4, .project_state = false});
  expect_association(
      "static_stored",
      {.state_size = 6, .stored_size = 4, .value_size = 6, .hidden_size = 4, .project_stored = false});
  expect_association(
      "static_values",
      {.state_size = 6, .value_size = 9, .hidden_size = 4, .project_values = false, .project_output = false});
}

TEST_F(HopfieldLayers, ThatPoolMatch) {
  open("pooling");
  HopfieldPooling layer(HopfieldShape{.state_size = 6, .heads = 2}, /*num_states=*/2, initializer_);
  load(*layer);
  expect_results(*layer, layer->forward(inputs_[0], inputs_[1], mask()), layer->weights(inputs_[0], mask()));
}

TEST_F(HopfieldLayers, ThatLookUpMatch) {
  for (const bool separate_values : {false, true}) {
    open(separate_values ? "lookup_values" : "lookup");
    HopfieldShape shape{.state_size = 6, .heads = 2};
    if (separate_values) shape.value_size = 5;
    HopfieldLookup layer(shape, /*num_stored=*/4, separate_values, initializer_);
    load(*layer);
    expect_results(*layer, layer->forward(inputs_[0]), {});
  }
}

}  // namespace
}  // namespace cloob

// Prototype losses and whole training steps against the code of ProtoCLIP's authors (tools/goldens/make_protoclip.py).
#include <ATen/ATen.h>

#include <set>
#include <string>

#include "cloob/base/full_precision.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/loss/contrastive.h"
#include "cloob/loss/prototype_loss.h"
#include "cloob/model/projection_head.h"
#include "support/support.h"

namespace cloob {
namespace {

constexpr double kHard = -1;

const NamedTensors& golden() {
  static const NamedTensors tensors =
      read_safetensors(testing::golden_path("loss/protoclip.safetensors")).tensors;
  return tensors;
}

std::set<std::string> labels_of_cases(const std::string& beginning) {
  std::set<std::string> labels;
  for (const auto& [key, tensor] : golden()) {
    const std::string label = key.substr(0, key.rfind(".grad_"));
    if (label != key && label.starts_with(beginning)) labels.insert(label);
  }
  return labels;
}

// A label such as "fp64-translated-0.3".
void expect_loss(const std::string& label) {
  SCOPED_TRACE(label);
  const std::vector<std::string> words = split(label, '-');
  const bool is_fp64 = words.at(0) == "fp64";
  const auto expected = [&](const std::string& key) { return golden().at(label + "." + key); };
  const at::Tensor features = golden().at(words[0] + ".features").clone().requires_grad_();
  const at::Tensor& prototypes = golden().at(words[0] + "." + words.at(1));
  const at::Tensor inv_tau = at::scalar_tensor(1 / 0.07, features.options()).requires_grad_();
  at::Tensor num_correct;
  const at::Tensor loss =
      prototype_loss(features, prototypes,
                     expected_prototypes(prototypes, golden().at(words[0] + ".teacher"),
                                         expected("temperature").item<double>(), /*tile=*/4),
                     golden().at("labels"), inv_tau, features.size(0), /*tile=*/4, &num_correct);
  loss.backward();
  const double tolerance = is_fp64 ? 1e-12 : 3e-6;
  testing::expect_close(loss, expected("loss"), tolerance, 0, "loss");
  testing::expect_relative_norm(features.grad(), expected("grad_features"), is_fp64 ? 1e-12 : 1e-5,
                                "features");
  testing::expect_close(inv_tau.grad(), expected("grad_scale"), is_fp64 ? 1e-11 : 3e-5, 0, "inv_tau");
  EXPECT_FLOAT_EQ(100 * num_correct.item<float>() / static_cast<float>(features.size(0)),
                  expected("accuracy").item<float>());
}

TEST(PrototypeLoss, MatchesTheReference) {
  std::set<std::string> labels = labels_of_cases("fp64-");
  labels.merge(labels_of_cases("fp32-"));
  ASSERT_EQ(labels.size(), 12);
  for (const std::string& label : labels) expect_loss(label);
}

void load(ProjectionHead head, const std::string& prefix) {
  const at::NoGradGuard no_grad;
  head->to(at::kDouble);
  for (auto& item : head->named_parameters()) item.value().copy_(golden().at(prefix + item.key()));
  for (auto& item : head->named_buffers()) item.value().copy_(golden().at(prefix + item.key()));
}

/// One of the two modalities, which is taught by the other, in a training step.
struct Side {
  Side(std::string modality_name, const std::string& teacher_name, const std::string& golden_name)
      : modality(std::move(modality_name)),
        teacher(teacher_name),
        tower(golden().at(golden_name).clone().requires_grad_()),
        initializer(Initializer::uninitialized()),
        head(ProjectionHeadOptions{.in = tower.size(1), .hidden = 6, .out = 8}, initializer),
        head_name(golden_name + "_projection_head.") {
    load(head, "weight." + head_name);
  }

  at::Tensor centroids_of(const std::string& owner) const {
    return golden().at("episode." + owner + "_centroids");
  }
  /// In the words of the reference: "img_centroids_translated_from_text_prototypes", or from image, or external.
  at::Tensor translated_from(const std::string& owner) const {
    return golden().at("episode." + modality + "_centroids_translated_from_" +
                       (owner == "img" ? "image" : owner) + "_prototypes");
  }
  at::Tensor labels_of(const std::string& owner) const {
    return golden().at("episode." + owner + "_labels").narrow(0, 0, tower.size(0));
  }
  at::Tensor loss(const at::Tensor& prototypes, const std::string& owner, double temperature,
                  const at::Tensor& inv_tau) {
    num_correct.emplace_back();
    return prototype_loss(projected, prototypes,
                          expected_prototypes(prototypes, centroids_of(owner), temperature), labels_of(owner),
                          inv_tau, tower.size(0), /*tile=*/0, &num_correct.back());
  }
  void expect_results(const std::string& label, const std::string& grad_name) const {
    testing::expect_relative_norm(tower.grad(), golden().at(label + grad_name), 1e-10, grad_name);
    // The batch norm takes away what the bias before it adds: a gradient of 0 but for rounding.
    for (const auto& item : head->named_parameters())
      testing::expect_close(item.value().grad(), golden().at(label + "grad." + head_name + item.key()), 1e-8,
                            1e-13, head_name + item.key());
    for (const auto& item : head->named_buffers())
      testing::expect_close(item.value(), golden().at(label + "after." + head_name + item.key()), 1e-12, 0,
                            head_name + item.key());
  }

  std::string modality, teacher;
  at::Tensor tower;
  Initializer initializer;
  ProjectionHead head;
  std::string head_name;
  at::Tensor projected;
  std::vector<at::Tensor> num_correct;
};

// A training step from the towers' outputs on, with weights 1, 0.7 and 0.4 of its three losses.
void expect_step(const std::string& name, bool translates, double temperature, bool has_external_teacher) {
  SCOPED_TRACE(name);
  const std::string label = "step-" + name + ".";
  const auto expected = [&](const std::string& key) { return golden().at(label + key); };
  Side image("img", "text", "image"), text("text", "img", "text");
  const at::Tensor logit_scale = golden().at("logit_scale").clone().requires_grad_();
  const at::Tensor logit_scale_proto = golden().at("logit_scale_proto").clone().requires_grad_();

  const at::Tensor clip =
      symmetric_info_nce(unit_rows(image.tower), unit_rows(text.tower), logit_scale.exp()) / 2;
  at::Tensor proto = at::zeros({}, at::kDouble), external = at::zeros({}, at::kDouble);
  for (Side* side : {&image, &text}) {
    side->projected = unit_rows(side->head->forward(side->tower));
    const at::Tensor inv_tau = logit_scale_proto.exp();
    const at::Tensor prototypes =
        translates ? side->translated_from(side->teacher) : side->centroids_of(side->teacher);
    proto = proto + side->loss(prototypes, side->teacher, temperature, inv_tau) / 2;
    if (has_external_teacher) {
      external = external + side->loss(side->translated_from("external"), "external", kHard, inv_tau) / 2;
    }
  }
  const at::Tensor total = clip + 0.7 * proto + 0.4 * external;
  total.backward();

  testing::expect_close(clip, expected("L_clip"), 1e-12, 0, "clip");
  testing::expect_close(proto, expected("L_proto"), 1e-12, 0, "proto");
  testing::expect_close(external, expected("L_proto_external"), 1e-12, 0, "external");
  testing::expect_close(total, expected("total_loss"), 1e-12, 0, "total");
  testing::expect_close(logit_scale.grad(), expected("grad_logit_scale"), 1e-11, 0, "logit_scale");
  testing::expect_close(logit_scale_proto.grad(), expected("grad_logit_scale_proto"), 1e-11, 0,
                        "logit_scale_proto");
  image.expect_results(label, "grad_image");
  text.expect_results(label, "grad_text");
  const at::Tensor accuracies = expected("accuracies");  // image, text; then by the external teacher
  for (std::size_t i = 0; i < image.num_correct.size(); ++i) {
    const auto at = static_cast<std::int64_t>(2 * i);
    EXPECT_FLOAT_EQ(image.num_correct[i].item<float>() * 100 / 16, accuracies[at].item<float>());
    EXPECT_FLOAT_EQ(text.num_correct[i].item<float>() * 100 / 16, accuracies[at + 1].item<float>());
  }
}

TEST(ProtoClipStep, MatchesTheReferenceWithAllFourTerms) {
  expect_step("translated_soft_external", /*translates=*/true, 0.01, /*has_external_teacher=*/true);
}

TEST(ProtoClipStep, MatchesTheReferenceWithHardTargets) {
  expect_step("translated_hard", /*translates=*/true, kHard, /*has_external_teacher=*/false);
}

TEST(ProtoClipStep, MatchesTheReferenceWithoutBackTranslation) {
  expect_step("cross_soft", /*translates=*/false, 0.3, /*has_external_teacher=*/false);
  expect_step("cross_hard", /*translates=*/false, kHard, /*has_external_teacher=*/false);
}

}  // namespace
}  // namespace cloob

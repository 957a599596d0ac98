#include "cloob/checkpoint/import_weights.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "cloob/checkpoint/export_weights.h"
#include "cloob/checkpoint/safetensors.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using testing::expect_user_error;
using ::testing::HasSubstr;
using testing::TempDir;

std::filesystem::path golden(const std::string& name) { return testing::golden_path("checkpoint/" + name); }

struct Case {
  std::string file;
  WeightSource source;
  std::string activation;
};

class ImportWeights : public ::testing::TestWithParam<Case> {};

// Every golden file contains the same toy model, with different names, types and wrappers.
TEST_P(ImportWeights, UsesOpenClipsNamesAndFullPrecision) {
  const ImportedWeights imported = import_weights(golden(GetParam().file));
  const NamedTensors expected = read_safetensors(golden("weights.safetensors")).tensors;
  EXPECT_EQ(imported.source, GetParam().source);
  EXPECT_EQ(imported.default_activation, GetParam().activation);
  ASSERT_EQ(imported.tensors.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(imported.tensors.contains(name)) << name;
    const at::Tensor& actual = imported.tensors.at(name);
    EXPECT_EQ(actual.scalar_type(), name.ends_with("tracked") ? at::kLong : at::kFloat) << name;
    EXPECT_TRUE(at::equal(actual, tensor)) << name;
    EXPECT_TRUE(actual.is_contiguous()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, ImportWeights,
                         ::testing::Values(Case{"weights.safetensors", WeightSource::open_clip, "gelu"},
                                           Case{"open_clip.pt", WeightSource::open_clip, "gelu"},
                                           Case{"open_clip_training.pt", WeightSource::open_clip, "gelu"},
                                           Case{"custom_text.pt", WeightSource::open_clip, "gelu"},
                                           Case{"cloob.pt", WeightSource::cloob, "quick_gelu"},
                                           Case{"openai_scripted.pt", WeightSource::openai, "quick_gelu"},
                                           Case{"openai_traced.pt", WeightSource::openai, "quick_gelu"}));

TEST(ImportWeights, KeepsScalarsAndStringsNextToTheStateDict) {
  const ImportedWeights cloob = import_weights(golden("cloob.pt"));
  EXPECT_EQ(cloob.metadata,
            (std::map<std::string, std::string>{
                {"epoch", "28"}, {"method", "cloob"}, {"model_config_file", "RN50.json"}, {"name", "toy"}}));
  EXPECT_THAT(cloob.notes, ElementsAre(HasSubstr("retrieval.beta = 7.38906")));
  const ImportedWeights training = import_weights(golden("open_clip_training.pt"));
  EXPECT_EQ(training.metadata.at("epoch"), "7");
  EXPECT_THAT(training.notes, ElementsAre(HasSubstr("'optimizer' next to"), HasSubstr("'scaler' next to")));
}

TEST(ImportWeights, TakesTheActivationFromTheMetadata) {
  const TempDir folder;
  write_safetensors(folder / "x", read_safetensors(golden("weights.safetensors")).tensors,
                    {{"activation", "quick_gelu"}});
  EXPECT_EQ(import_weights(folder / "x").default_activation, "quick_gelu");
}

TEST(ImportWeights, AcceptsALogitScaleOfOneElement) {
  const TempDir folder;
  NamedTensors tensors = read_safetensors(golden("weights.safetensors")).tensors;
  tensors["logit_scale"] = tensors.at("logit_scale").reshape({1});
  write_safetensors(folder / "x", tensors, {});
  EXPECT_EQ(import_weights(folder / "x").tensors.at("logit_scale").dim(), 0);
}

void expect_rejected_with(const std::string& extra_name, std::initializer_list<std::string> parts) {
  const TempDir folder;
  NamedTensors tensors = read_safetensors(golden("weights.safetensors")).tensors;
  tensors[extra_name] = at::ones({2});
  write_safetensors(folder / "x", tensors, {});
  expect_user_error([&] { import_weights(folder / "x"); }, parts);
}

TEST(ImportWeights, NamesUnsupportedFamilies) {
  expect_rejected_with("visual.trunk.pos_embed",
                       {"contains a timm image tower (tensor 'visual.trunk.pos_embed')", "supported"});
  expect_rejected_with("text_decoder.text_projection", {"a CoCa model"});
  expect_rejected_with("text.transformer.embeddings.word_embeddings.weight", {"a Hugging Face text tower"});
  expect_rejected_with("text.proj.0.weight", {"a Hugging Face text tower"});
  expect_rejected_with("module.text.blocks.0.norm1.weight", {"newer kind"});
  expect_rejected_with("visual.transformer.resblocks.0.ls_1.gamma", {"LayerScale"});
  expect_rejected_with("visual.transformer.resblocks.0.attn.ln_q.weight", {"extra norms"});
  expect_rejected_with("visual.head.weight", {"no supported CLIP model has, 1 of 18: 'visual.head.weight'"});
}

TEST(ImportWeights, TakesTheBiasOfTheSigmoidLossAndRefusesTheTowersOfSigLip) {
  const TempDir folder;
  NamedTensors tensors = read_safetensors(golden("weights.safetensors")).tensors;
  tensors["module.logit_bias"] = at::full({1}, -9.5);
  write_safetensors(folder / "x", tensors, {});
  const at::Tensor bias = import_weights(folder / "x").tensors.at("logit_bias");
  EXPECT_EQ(bias.dim(), 0);
  EXPECT_EQ(bias.item<double>(), -9.5);
  for (const char* const tower :
       {"visual.trunk.pos_embed", "vision_model.embeddings.position_embedding.weight"}) {
    NamedTensors siglip = tensors;
    siglip[tower] = at::ones({2});
    write_safetensors(folder / "y", siglip, {});
    expect_user_error([&] { import_weights(folder / "y"); },
                      {"a SigLIP model with towers of its own", "'module.logit_bias'"});
  }
}

TEST(ImportWeights, RejectsATensorUnderTwoNames) {
  expect_rejected_with("logit_inv_tau", {"'logit_scale' under two names"});
  expect_rejected_with("module.logit_scale",
                       {"'logit_scale' under two names: 'logit_scale' and 'module.logit_scale'"});
}

TEST(ImportWeights, ReportsWhatAFileContainsInsteadOfWeights) {
  expect_user_error([] { import_weights(golden("values.pt")); }, {"that no supported CLIP model has"});
  for (const char* file : {"calls_os_system.pt", "calls_eval.pt", "asks_for_a_class.pt", "whole_module.pt"})
    expect_user_error([&] { import_weights(golden(file)); }, {"contains no weights"});
  expect_user_error([] { import_weights(golden("strided.pt")); }, {"15 of 15", ", ..."});
  const TempDir folder;
  write_safetensors(folder / "x", {{"logit_scale", at::ones({})}}, {});
  expect_user_error([&] { import_weights(folder / "x"); },
                    {"not a complete CLIP model", "'visual.conv1.weight' is missing"});
}

TEST(ImportWeights, RemovesWhatWrappersPutIntoNames) {
  const NamedTensors expected = read_safetensors(golden("weights.safetensors")).tensors;
  for (const std::string prefix : {"module.", "_orig_mod.", "model.", "clip.", "module.module.",
                                   "model.clip._orig_mod.", "_orig_mod.module.model."}) {
    const TempDir folder;
    NamedTensors wrapped;
    for (const auto& [name, tensor] : expected) wrapped[prefix + name] = tensor;
    write_safetensors(folder / "x", wrapped, {});
    EXPECT_EQ(import_weights(folder / "x").tensors.size(), expected.size()) << prefix;
  }
  // Parts of a model are wrapped, too.
  const TempDir folder;
  NamedTensors wrapped = expected;
  wrapped["visual._orig_mod.conv1.weight"] = wrapped.extract("visual.conv1.weight").mapped();
  write_safetensors(folder / "x", wrapped, {});
  EXPECT_TRUE(import_weights(folder / "x").tensors.contains("visual.conv1.weight"));
}

// One block of each tower, without the rest of a model.
NamedTensors vit_tensors() {
  NamedTensors tensors = {
      {"logit_scale", at::ones({})},          {"token_embedding.weight", at::randn({5, 4})},
      {"text_projection", at::randn({4, 3})}, {"visual.conv1.weight", at::randn({4, 3, 2, 2})},
      {"visual.ln_pre.bias", at::randn({4})}, {"visual.proj", at::randn({4, 3})}};
  for (const std::string block : {"visual.transformer.resblocks.11.", "transformer.resblocks.0."}) {
    tensors[block + "attn.in_proj_weight"] = at::randn({12, 4});
    tensors[block + "attn.in_proj_bias"] = at::randn({12});
    tensors[block + "attn.out_proj.weight"] = at::randn({4, 4});
    tensors[block + "mlp.c_fc.bias"] = at::randn({16});
    tensors[block + "ln_2.weight"] = at::randn({4});
  }
  return tensors;
}

TEST(ImportWeights, ReadsTheNamesOfTransformers) {
  const TempDir folder;
  const NamedTensors expected = vit_tensors();
  NamedTensors renamed = with_hugging_face_names(expected);
  for (const char* name :
       {"vision_model.encoder.layers.11.self_attn.q_proj.bias", "text_model.encoder.layers.0.mlp.fc1.bias",
        "vision_model.pre_layrnorm.bias", "visual_projection.weight"})
    EXPECT_TRUE(renamed.contains(name)) << name;
  EXPECT_EQ(renamed.at("text_projection.weight").sizes(), (at::IntArrayRef{3, 4}));
  renamed["text_model.embeddings.position_ids"] = at::ones({1, 7}).to(at::kLong);
  write_safetensors(folder / "x", renamed, {});
  const ImportedWeights imported = import_weights(folder / "x");
  EXPECT_EQ(imported.source, WeightSource::hugging_face);
  EXPECT_EQ(imported.default_activation, "quick_gelu");
  ASSERT_EQ(imported.tensors.size(), expected.size());
  for (const auto& [name, tensor] : expected)
    EXPECT_TRUE(at::equal(imported.tensors.at(name), tensor)) << name;
}

TEST(ImportWeights, NeedsAllPartsOfTransformersTensors) {
  const TempDir folder;
  NamedTensors renamed = with_hugging_face_names(vit_tensors());
  const std::string key = "text_model.encoder.layers.0.self_attn.k_proj.weight";
  renamed[key] = at::ones({4, 5});
  write_safetensors(folder / "x", renamed, {});
  expect_user_error([&] { import_weights(folder / "x"); }, {"another shape than its siblings"});
  renamed.erase(key);
  write_safetensors(folder / "x", renamed, {});
  expect_user_error([&] { import_weights(folder / "x"); }, {key + "' is missing"});
  renamed[key] = at::ones({4, 4});
  renamed["vision_model.head.probe"] = at::ones({1});
  write_safetensors(folder / "x", renamed, {});
  expect_user_error([&] { import_weights(folder / "x"); }, {"'vision_model.head.probe', which no CLIPModel"});
}

// With the shapes of a width of 4, of one block of each tower.
NamedTensors slip_tensors() {
  NamedTensors tensors = {{"logit_scale", at::ones({})},
                          {"positional_embedding", at::randn({7, 4})},
                          {"text_projection", at::randn({4, 3})},
                          {"token_embedding.weight", at::randn({5, 4})},
                          {"transformer.resblocks.0.mlp.c_fc.weight", at::randn({16, 4})},
                          {"image_projection", at::randn({4, 3})},
                          {"visual.cls_token", at::randn({1, 1, 4})},
                          {"visual.pos_embed", at::randn({1, 2, 4})},
                          {"visual.patch_embed.proj.weight", at::randn({4, 3, 2, 2})},
                          {"visual.patch_embed.proj.bias", at::randn({4})},
                          {"visual.norm.bias", at::randn({4})},
                          {"visual.blocks.11.attn.qkv.weight", at::randn({12, 4})}};
  for (const char* layer : {"norm1", "norm2", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"})
    tensors[std::string("visual.blocks.11.") + layer + ".bias"] = at::randn({4});
  return tensors;
}

TEST(ImportWeights, LeavesOutTheHeadsOfProtoClip) {
  const TempDir folder;
  const NamedTensors clip = read_safetensors(testing::golden_path("checkpoint/weights.safetensors")).tensors;
  NamedTensors wrapped;
  for (const auto& [name, tensor] : clip) wrapped["module." + name] = tensor;
  wrapped["module.logit_scale_proto"] = at::full({}, 2.6);
  wrapped["module.image_projection_head.0.weight"] = at::ones({6, 3});
  wrapped["module.text_projection_head.1.num_batches_tracked"] = at::zeros({}, at::kLong);
  write_safetensors(folder / "x", wrapped, {});
  const ImportedWeights imported = import_weights(folder / "x");
  EXPECT_EQ(source_name(imported.source), "protoclip");
  EXPECT_EQ(imported.default_activation, "quick_gelu");
  EXPECT_THAT(imported.notes, ElementsAre(HasSubstr("the 3 tensors of ProtoCLIP's projection heads")));
  ASSERT_EQ(imported.tensors.size(), clip.size());
  for (const auto& [name, tensor] : imported.tensors) EXPECT_TRUE(at::equal(tensor, clip.at(name))) << name;
}

TEST(ImportWeights, ReadsTheNamesOfSlip) {
  const TempDir folder;
  const NamedTensors slip = slip_tensors();
  NamedTensors wrapped;
  for (const auto& [name, tensor] : slip) wrapped["module." + name] = tensor;
  wrapped["module.image_mlp.layer1.weight"] = at::ones({6, 4});
  wrapped["module.image_mlp.bn1.num_batches_tracked"] = at::zeros({}, at::kLong);
  write_safetensors(folder / "x", wrapped, {});
  const ImportedWeights imported = import_weights(folder / "x");
  EXPECT_EQ(imported.source, WeightSource::slip);
  EXPECT_EQ(imported.default_activation, "quick_gelu");
  EXPECT_THAT(imported.notes, ElementsAre("the 2 tensors of 'image_mlp', the head of SLIP's self-supervised "
                                          "loss, were skipped"));
  ASSERT_EQ(imported.tensors.size(), slip.size());
  const std::string block = "visual.transformer.resblocks.11.";
  for (const auto& [name, slips] : std::map<std::string, std::string>{
           {"visual.proj", "image_projection"},
           {"visual.class_embedding", "visual.cls_token"},
           {"visual.positional_embedding", "visual.pos_embed"},
           {"visual.conv1.weight", "visual.patch_embed.proj.weight"},
           {"visual.conv1.bias", "visual.patch_embed.proj.bias"},
           {"visual.ln_post.bias", "visual.norm.bias"},
           {block + "attn.in_proj_weight", "visual.blocks.11.attn.qkv.weight"},
           {block + "attn.in_proj_bias", "visual.blocks.11.attn.qkv.bias"},
           {block + "attn.out_proj.bias", "visual.blocks.11.attn.proj.bias"},
           {block + "ln_1.bias", "visual.blocks.11.norm1.bias"},
           {block + "ln_2.bias", "visual.blocks.11.norm2.bias"},
           {block + "mlp.c_fc.bias", "visual.blocks.11.mlp.fc1.bias"},
           {block + "mlp.c_proj.bias", "visual.blocks.11.mlp.fc2.bias"},
           {"transformer.resblocks.0.mlp.c_fc.weight", "transformer.resblocks.0.mlp.c_fc.weight"}}) {
    ASSERT_TRUE(imported.tensors.contains(name)) << name;
    EXPECT_TRUE(at::equal(imported.tensors.at(name).flatten(), slip.at(slips).flatten())) << name;
  }
  EXPECT_EQ(imported.tensors.at("visual.class_embedding").sizes(), (at::IntArrayRef{4}));
  EXPECT_EQ(imported.tensors.at("visual.positional_embedding").sizes(), (at::IntArrayRef{2, 4}));
}

TEST(ImportWeights, NamesWhatNoModelOfSlipHas) {
  const auto expect_rejected = [](const std::string& name, const std::string& part) {
    const TempDir folder;
    NamedTensors tensors = slip_tensors();
    tensors[name] = at::ones({4});
    write_safetensors(folder / "x", tensors, {});
    expect_user_error([&] { import_weights(folder / "x"); }, {part});
  };
  expect_rejected("visual.blocks.0.ls1.gamma", "no model of SLIP has the tensor 'visual.blocks.0.ls1.gamma'");
  expect_rejected("visual.blocks.0.norm1", "no model of SLIP has the tensor 'visual.blocks.0.norm1'");
  expect_rejected("visual.fc_norm.weight", "timm's vision transformer, which is supported as SLIP has it");
  expect_rejected("logit_bias", "no model of SLIP has the tensor 'logit_bias'");
  const TempDir folder;
  NamedTensors simclr = slip_tensors();
  std::erase_if(simclr, [](const auto& item) { return !item.first.starts_with("visual."); });
  write_safetensors(folder / "x", simclr, {});
  expect_user_error([&] { import_weights(folder / "x"); },
                    {"not a complete CLIP model", "'token_embedding.weight' is missing"});
}

TEST(ImportWeights, RejectsWhatIsNoWeightByName) {
  const auto expect_rejected = [](const std::string& name, const at::Tensor& tensor,
                                  const std::string& problem) {
    const TempDir folder;
    NamedTensors tensors = read_safetensors(golden("weights.safetensors")).tensors;
    ASSERT_TRUE(tensors.contains(name));
    tensors[name] = tensor;
    write_safetensors(folder / "x", tensors, {});
    expect_user_error([&] { import_weights(folder / "x"); }, {"tensor '" + name + "' " + problem});
  };
  expect_rejected("ln_final.weight", at::full({4}, NAN), "contains NaN or infinity");
  expect_rejected("ln_final.weight", at::full({4}, 1e300, at::kDouble), "contains NaN or infinity");
  expect_rejected("ln_final.weight", at::ones({4}, at::kInt), "has the type Int");
  expect_rejected("ln_final.weight", at::ones({4}, at::kComplexFloat), "has the type ComplexFloat");
  expect_rejected("ln_final.weight", at::ones({4}, at::kBool), "has the type Bool");
  expect_rejected("ln_final.weight", at::ones({0}), "has no elements");
  expect_rejected("visual.bn1.num_batches_tracked", at::ones({2}, at::kLong), "is not a count");
}

}  // namespace
}  // namespace cloob

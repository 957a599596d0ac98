#include "cloob/checkpoint/import_weights.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>

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
  expect_rejected_with("logit_bias", {"a SigLIP model"});
  expect_rejected_with("text.transformer.embeddings.word_embeddings.weight", {"a Hugging Face text tower"});
  expect_rejected_with("text.proj.0.weight", {"a Hugging Face text tower"});
  expect_rejected_with("module.text.blocks.0.norm1.weight", {"newer kind"});
  expect_rejected_with("vision_model.embeddings.class_embedding", {"Hugging Face's transformers"});
  expect_rejected_with("visual.transformer.resblocks.0.ls_1.gamma", {"LayerScale"});
  expect_rejected_with("visual.transformer.resblocks.0.attn.ln_q.weight", {"extra norms"});
  expect_rejected_with("visual.head.weight", {"no supported CLIP model has, 1 of 18: 'visual.head.weight'"});
}

TEST(ImportWeights, RejectsATensorUnderTwoNames) {
  expect_rejected_with("logit_inv_tau", {"'logit_scale' under two names"});
  expect_rejected_with("module.logit_scale", {"'logit_scale' under two names"});
}

TEST(ImportWeights, ReportsWhatAFileContainsInsteadOfWeights) {
  expect_user_error([] { import_weights(golden("values.pt")); },
                    {"that no supported CLIP model has, 1 of 1: 'tensor'"});
  expect_user_error([] { import_weights(golden("strided.pt")); }, {"15 of 15", ", ..."});
  const TempDir folder;
  write_safetensors(folder / "x", {{"logit_scale", at::ones({})}}, {});
  expect_user_error([&] { import_weights(folder / "x"); },
                    {"not a complete CLIP model", "'visual.conv1.weight' is missing"});
}

}  // namespace
}  // namespace cloob

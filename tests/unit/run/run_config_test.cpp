#include "cloob/run/run_config.h"

#include "cloob/config/config.h"
#include "cloob/device/device.h"
#include "cloob/run/model_file.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;

TrainConfig config_with_length(std::optional<double> epochs, std::optional<std::int64_t> steps,
                               std::optional<std::int64_t> samples) {
  TrainConfig config;
  config.global_batch_size = 8;
  config.epochs = epochs;
  config.steps = steps;
  config.samples = samples;
  return config;
}

constexpr RunPosition kFresh = {
    .step = 0, .samples = 0, .epoch = 0, .batches_left = 12, .batches_per_epoch = 12};

TEST(PrecisionOf, DefaultsToBf16IfTheCpuHasInstructionsForIt) {
  TrainConfig config;
  config.device = DeviceChoice::cpu;
  EXPECT_EQ(precision_of(config), cpu_has_bf16_instructions() ? Precision::bf16 : Precision::fp32);
  config.precision = Precision::fp16;
  EXPECT_EQ(precision_of(config), Precision::fp16);
}

TEST(TotalSteps, OfAFreshRun) {
  EXPECT_EQ(total_steps(config_with_length(3.0, {}, {}), kFresh), 36);
  EXPECT_EQ(total_steps(config_with_length(2.5, {}, {}), kFresh), 30);
  EXPECT_EQ(total_steps(config_with_length(0.001, {}, {}), kFresh), 1);
  EXPECT_EQ(total_steps(config_with_length({}, 7, {}), kFresh), 7);
  EXPECT_EQ(total_steps(config_with_length({}, {}, 17), kFresh), 3);
  expect_user_error([] { total_steps(config_with_length({}, {}, {}), kFresh); },
                    {"train.epochs, train.steps and train.samples"});
}

TEST(TotalSteps, AreTheSameWhereverTheRunContinues) {
  for (std::int64_t step = 0; step <= 36; ++step) {
    const RunPosition position{step, step * 8, step / 12, 12 - step % 12, 12};
    EXPECT_EQ(total_steps(config_with_length(3.0, {}, {}), position), 36) << step;
    EXPECT_EQ(total_steps(config_with_length({}, {}, 36 * 8 - 3), position), 36) << step;
    if (step <= 30) {
      EXPECT_EQ(total_steps(config_with_length(2.5, {}, {}), position), 30) << step;
    }
  }
}

TEST(TotalSteps, CoverTheRemainderWithADifferentBatchSize) {
  // After one epoch of 12 batches, an epoch now has 2.
  const RunPosition after_one{
      .step = 12, .samples = 96, .epoch = 1, .batches_left = 2, .batches_per_epoch = 2};
  EXPECT_EQ(total_steps(config_with_length(3.0, {}, {}), after_one), 12 + 4);
  EXPECT_EQ(total_steps(config_with_length({}, {}, 96 + 9), after_one), 12 + 2);
  EXPECT_EQ(total_steps(config_with_length(1.0, {}, {}), after_one), 12) << "nothing remains";
  const RunPosition inside{.step = 5, .samples = 40, .epoch = 0, .batches_left = 20, .batches_per_epoch = 30};
  EXPECT_EQ(total_steps(config_with_length(2.0, {}, {}), inside), 5 + 20 + 30);
}

TEST(RunConfig, RejectsCachingFeaturesOfRandomCrops) {
  RunConfig config;
  config.train.cache_frozen_features = true;
  config.optimizer.text.frozen = true;
  EXPECT_NO_THROW(config.validate());
  config.optimizer.text.frozen = false;
  config.optimizer.image.frozen = true;
  expect_user_error([&] { config.validate(); },
                    {"train.cache_frozen_features", "random_resized", "image.train_crop to evaluation"});
  config.image.train_crop = TrainCrop::evaluation;
  EXPECT_NO_THROW(config.validate());
}

TEST(RunConfig, RejectsSettingsThatCannotBeCaptured) {
  RunConfig config;
  config.train.cuda_graph = true;
  EXPECT_NO_THROW(config.validate());
  config.train.gradient_checkpointing = true;
  expect_user_error([&] { config.validate(); }, {"train.cuda_graph", "train.gradient_checkpointing"});
  config.train.gradient_checkpointing = false;
  config.train.gradient_cache_parts = 2;
  expect_user_error([&] { config.validate(); }, {"train.cuda_graph", "train.gradient_cache_parts"});
  config.train.gradient_cache_parts = 1;
  config.train.cache_frozen_features = true;
  expect_user_error([&] { config.validate(); }, {"train.cuda_graph", "train.cache_frozen_features"});
}

RunConfig read(const std::string& yaml, const std::vector<Override>& overrides = {}) {
  ConfigSource source = ConfigSource::from_text(yaml, "run.yaml");
  source.add_overrides(overrides);
  return read_config<RunConfig>(source);
}

TEST(Objective, SetsLossAndRetrieval) {
  const RunConfig clip = read("objective: clip"), cloob = read("", {{"objective", "cloob"}}),
                  info_loob = read("objective: info_loob"), hopfield = read("objective: info_nce_hopfield");
  for (const RunConfig* config : {&clip, &hopfield}) {
    EXPECT_EQ(config->loss.kind, LossKind::info_nce);
    EXPECT_DOUBLE_EQ(config->loss.inv_tau, 1 / 0.07);
    EXPECT_TRUE(config->loss.learn_inv_tau);
  }
  for (const RunConfig* config : {&cloob, &info_loob}) {
    EXPECT_EQ(config->loss.kind, LossKind::info_loob);
    EXPECT_EQ(config->loss.inv_tau, 30);
    EXPECT_FALSE(config->loss.learn_inv_tau);
  }
  for (const RunConfig* config : {&clip, &info_loob}) EXPECT_EQ(config->retrieval.kind, RetrievalKind::none);
  for (const RunConfig* config : {&cloob, &hopfield}) {
    EXPECT_EQ(config->retrieval.kind, RetrievalKind::hopfield);
    EXPECT_EQ(config->retrieval.beta, 8);
  }
  EXPECT_EQ(setting_values(read("")).at("objective"), "clip");
}

TEST(Objective, LeavesExplicitSettingsAlone) {
  const RunConfig before = read("loss: {inv_tau: 20}\nobjective: cloob\nretrieval: {beta: 3}");
  EXPECT_EQ(before.loss.inv_tau, 20);
  EXPECT_FALSE(before.loss.learn_inv_tau);
  EXPECT_EQ(before.retrieval.beta, 3);
  EXPECT_EQ(read("loss: {inv_tau: 20}", {{"objective", "cloob"}}).loss.inv_tau, 20);
  // A run continues with the settings in its config.yaml, which has all of them.
  EXPECT_EQ(print_config(read(print_config(before))), print_config(before));
}

TEST(Objective, NamesLossAndRetrievalHoweverTheyWereSet) {
  EXPECT_EQ(read("loss: {kind: info_loob}\nretrieval: {kind: hopfield}").objective, ObjectiveSystem::cloob);
  EXPECT_EQ(read("objective: cloob\nretrieval: {kind: none}").objective, ObjectiveSystem::info_loob);
}

TEST(Objective, OfTheSigmoidLossStartsFromItsOwnTemperature) {
  const RunConfig siglip = read("objective: siglip"), kind = read("loss: {kind: sigmoid}"),
                  beside_cloob = read("objective: cloob\nloss: {kind: sigmoid}"),
                  hopfield = read("objective: sigmoid_hopfield");
  for (const RunConfig* config : {&siglip, &kind, &beside_cloob, &hopfield}) {
    EXPECT_EQ(config->loss.kind, LossKind::sigmoid);
    EXPECT_EQ(config->loss.inv_tau, 10);
    EXPECT_TRUE(config->loss.learn_inv_tau);
    EXPECT_EQ(config->loss.logit_bias, -10);
  }
  EXPECT_EQ(siglip.objective, ObjectiveSystem::siglip);
  EXPECT_EQ(kind.objective, ObjectiveSystem::siglip);
  EXPECT_EQ(hopfield.retrieval.beta, 8);
  for (const RunConfig* config : {&hopfield, &beside_cloob})
    EXPECT_EQ(config->objective, ObjectiveSystem::sigmoid_hopfield);
  const RunConfig own = read("loss: {kind: sigmoid, inv_tau: 5, learn_inv_tau: false, logit_bias: -3}");
  EXPECT_EQ(own.loss.inv_tau, 5);
  EXPECT_FALSE(own.loss.learn_inv_tau);
  EXPECT_EQ(own.loss.logit_bias, -3);
}

TEST(RunConfig, RefusesToScaleGradientsOfTheSigmoidLoss) {
  expect_user_error([] { read("objective: siglip\ntrain: {reference_gradient_scaling: true}"); },
                    {"train.reference_gradient_scaling", "loss.kind sigmoid"});
}

TEST(RunConfig, RefusesALateTextTowerBesideAFrozenImageTower) {
  expect_user_error([] { read("optimizer: {image: {frozen: true}}\nschedule: {text_start_step: 5}"); },
                    {"optimizer.image.frozen", "schedule.text_start_step is 5", "nothing would be trained"});
}

TEST(Objective, IsTheOriginOfWhatItSets) {
  const ConfigSource source = ConfigSource::from_text("loss: {inv_tau: 20}\nobjective: cloob\n", "run.yaml");
  Origins origins;
  read_config<RunConfig>(source, origins);
  EXPECT_EQ(origins.at("loss.kind"), "objective at run.yaml:2:12");
  EXPECT_EQ(origins.at("loss.inv_tau"), "run.yaml:1:17");
}

TEST(TrainConfig, RejectsInvalidLengths) {
  expect_user_error([] { config_with_length(0.0, {}, {}).validate(); }, {"train.epochs is 0"});
  expect_user_error([] { config_with_length(1.0, 5, {}).validate(); }, {"only one of"});
}

TEST(RunConfig, SuggestsItsNamesForThoseOfOpenClip) {
  const auto suggestion = [](const std::string& name) {
    try {
      ConfigSource source = ConfigSource::from_text("", "test");
      source.add_overrides({{name, "1"}});
      read_config<RunConfig>(source);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(suggestion("batch-size"), ::testing::HasSubstr("did you mean 'train.global_batch_size'?"));
  EXPECT_THAT(suggestion("train.batch_size"),
              ::testing::HasSubstr("did you mean 'train.global_batch_size'?"));
  EXPECT_THAT(suggestion("imagenet-val"), ::testing::HasSubstr("did you mean 'eval.zero_shot'?"));
  EXPECT_THAT(suggestion("epochs"), ::testing::HasSubstr("did you mean 'train.epochs'?"));
  const std::vector<std::string> names = setting_names<RunConfig>();
  for (const OtherName& other : RunConfig::kOtherNames)
    EXPECT_THAT(names, ::testing::Contains(std::string(other.setting))) << other.name;
}

TEST(RunConfig, SuggestsValuesThatAreMeant) {
  const auto error_of_value = [](const std::string& text) {
    try {
      read_config<RunConfig>(ConfigSource::from_text(text, "test"));
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(error_of_value("objective: InfoLOOB"), ::testing::HasSubstr("did you mean 'info_loob'?"));
  EXPECT_THAT(error_of_value("train: {precision: amp_bf16}"), ::testing::HasSubstr("did you mean 'bf16'?"));
  EXPECT_THAT(error_of_value("train: {precision: FP32}"), ::testing::HasSubstr("did you mean 'fp32'?"));
}

TEST(RunConfig, ReadsFilesOfEarlierVersions) {
  const auto config =
      read_config<RunConfig>(ConfigSource::from_text("model: {name: RN50, embed_dim: 512}", "test"));
  EXPECT_EQ(config.model.embed_dim, 512);
}

TEST(RunConfig, OriginsOfChangesLeaveOutDefaults) {
  Origins origins;
  const auto config = read_config<RunConfig>(
      ConfigSource::from_text("train: {seed: 7, threads: 0}\nretrieval: {beta: 8}", "test"), origins);
  EXPECT_EQ(origins.size(), 3U);
  EXPECT_EQ(origins_of_changes(config, origins), (Origins{{"train.seed", "test:1:15"}}));
}

TEST(ModelName, FollowsFromTheSizes) {
  const auto name_of = [](const std::string& file, const std::vector<Override>& overrides) {
    ConfigSource source = ConfigSource::from_file(find_model_file(file));
    source.add_overrides(overrides);
    return model_name(read_config<RunConfig>(source).model);
  };
  EXPECT_EQ(name_of("RN50", {}), "RN50");
  EXPECT_EQ(name_of("ViT-B-32", {{"model.activation", "quick_gelu"}, {"model.image.patch_dropout", "0.5"}}),
            "ViT-B-32-quickgelu");
  EXPECT_EQ(name_of("ViT-B-32", {{"model.image.activation", "gelu"}}), "ViT-B-32");
  EXPECT_EQ(name_of("ViT-B-32", {{"model.image.activation", "quick_gelu"}}), "vit 12, width 768, 224 px");
  EXPECT_EQ(name_of("RN50", {{"model.text.layers", "6"}}), "resnet 3-4-6-3, width 64, 224 px");
}

TEST(FindModelFile, NamesTheModels) {
  expect_user_error([] { find_model_file("RN51"); },
                    {"--model 'RN51' is neither a file nor one of", "ViT-B-32", "did you mean 'RN50'?"});
}

}  // namespace
}  // namespace cloob

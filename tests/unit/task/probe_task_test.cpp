// Trains a task that is not part of the library: a linear probe on the features of a frozen image tower.
// Shows that a new task needs no changes to the trainer.
#include <ATen/ATen.h>

#include <cstring>
#include <limits>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/checkpoint/checkpoint_store.h"
#include "cloob/data/tar/tar_writer.h"
#include "cloob/image/encode.h"
#include "cloob/model/weights.h"
#include "cloob/report/metrics.h"
#include "cloob/task/contrastive_task.h"
#include "cloob/train/trainer.h"
#include "support/named_tensors.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

const std::vector<std::string> kColors = {"red", "green", "blue"};

class ProbeTask final : public TrainingTask {
 public:
  /// Appends the epochs that begin to `begun_epochs`.
  ProbeTask(DualEncoder model, const Collectives& collectives, std::vector<std::int64_t>& begun_epochs)
      : model_(std::move(model)),
        collectives_(collectives),
        begun_epochs_(begun_epochs),
        features_(model_, objective_, [this] { return LogitScaling(model_->inv_tau()); }, at::kCPU) {
    const auto classes = static_cast<std::int64_t>(kColors.size());
    model_->freeze_image();
    model_->freeze_text();
    model_->set_inv_tau(10, /*learned=*/false);
    weight_ = at::zeros({classes, model_->config().embed_dim}).requires_grad_();
    bias_ = at::zeros({classes}).requires_grad_();
  }

  TrainedParameters parameters() const override {
    TrainedParameters all = model_->trained_parameters();
    all.emplace("probe.weight", TrainedParameter{weight_});
    all.emplace("probe.bias", TrainedParameter{bias_});
    return all;
  }
  RowOutputs encode(const Batch& batch, RowRange rows, EncodePass) override {
    if (rows.count == 0) return {{at::zeros({0, bias_.size(0)}).requires_grad_(c10::GradMode::is_enabled())}};
    const at::Tensor features_BD = model_->encode_image(batch.images_BCHW.narrow(0, rows.first, rows.count));
    return {{at::addmm(bias_, features_BD, weight_.t())}};
  }
  LossOutput loss(const RowOutputs& outputs, const Batch& batch, std::int64_t) const override {
    std::vector<std::int64_t> labels;
    for (const std::string& caption : batch.captions)
      labels.push_back(std::ranges::find(kColors, caption) - kColors.begin());
    const at::Tensor label_B = at::tensor(labels, at::kLong), logits_BC = outputs[0].rows;
    const at::Tensor count = at::full({}, static_cast<double>(labels.size()));
    collectives_.sum_in_place(std::vector<at::Tensor>{count});
    const at::Tensor hits = (logits_BC.argmax(1) == label_B).sum() / count;
    return {.loss = at::nll_loss(logits_BC.log_softmax(1), label_B, {}, at::Reduction::Sum) / count,
            .terms = {{"accuracy", hits}}};
  }
  std::int64_t min_samples() const override { return 1; }
  EpochReport begin_epoch(const EpochData& data) override {
    begun_epochs_.push_back(data.epoch);
    return {};
  }
  Batch to_static_shape(const Batch&) const override { throw_user_error("a probe cannot be captured"); }
  NamedTensors weights() const override {
    NamedTensors all = weights_of(model_);
    all.emplace("probe.weight", weight_.detach());
    all.emplace("probe.bias", bias_.detach());
    return all;
  }
  NamedTensors state() const override { return {}; }
  void load(const NamedTensors& weights, const NamedTensors&) override {
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : this->weights()) tensor.copy_(weights.at(name));
  }
  FeatureModel& feature_model() override { return features_; }

 private:
  DualEncoder model_;
  ContrastiveObjective objective_{LossConfig{}, RetrievalConfig{}, at::kCPU};
  const Collectives& collectives_;
  std::vector<std::int64_t>& begun_epochs_;
  DualEncoderFeatures features_;
  at::Tensor weight_, bias_;
};

class ProbeTaskTest : public ::testing::Test {
 protected:
  ProbeTaskTest() {
    TarWriter shard(folder_ / "colors.tar");
    for (int i = 0; i < 30; ++i) {
      ImageU8 image = make_image({16, 16}, PixelMode::rgb);
      for (std::size_t byte = 0; byte < image.pixels.size(); ++byte) {
        const bool is_color = byte % 3 == static_cast<std::size_t>(i % 3);
        image.pixels[byte] = static_cast<std::uint8_t>(is_color ? 200 + i : (byte / 3 * 7) % 90);
      }
      shard.add(std::to_string(i) + ".png", encode_png(image));
      shard.add(std::to_string(i) + ".txt", kColors[static_cast<std::size_t>(i % 3)]);
    }
    shard.finish();
    config_.data.train = {(folder_ / "colors.tar").string()};
    config_.data.webdataset.image_members = {"png"};
    config_.image.train_crop = TrainCrop::evaluation;
    config_.model.embed_dim = 12;
    config_.model.image = {.kind = ImageEncoderKind::vit,
                           .image_size = 16,
                           .layers = {1},
                           .width = 32,
                           .patch_size = 8,
                           .head_width = 16};
    config_.model.text = {.context_length = 8, .vocab_size = 49408, .width = 16, .heads = 2, .layers = 1};
    config_.train.global_batch_size = 10;
    config_.train.steps = 12;
    config_.train.precision = Precision::fp32;
    config_.train.device = DeviceChoice::cpu;
    config_.optimizer.lr = 0.3;
    config_.optimizer.weight_decay = 0;
    config_.schedule.warmup_steps = 2;
    config_.checkpoint.every_steps = 5;
    config_.checkpoint.every_epochs = 0;
    config_.checkpoint.keep_last = 0;
    config_.report = {
        .every_steps = 1, .tensorboard = false, .contact_sheet = false, .progress = ProgressStyle::none};
  }

  struct Trained {
    NamedTensors tensors;  ///< of the last checkpoint
    std::vector<MetricsRecord> metrics;
    std::vector<std::int64_t> begun_epochs;
  };

  // Resumes `run` from the checkpoint of step `from`, if given.
  Trained train(const std::string& run, std::optional<std::int64_t> from = std::nullopt) {
    const RunDirectory directory(folder_ / run);
    RunStart start;
    start.directory = &directory;
    if (from) {
      for (const CheckpointEntry& entry : list_checkpoints(directory.checkpoints())) {
        if (entry.step == *from) start.resumed = load_checkpoint(entry.path, CheckpointPart::everything);
      }
      CLOOB_CHECK(start.resumed, "no checkpoint of step {}", *from);
    }
    Trained trained;
    auto task = std::make_unique<ProbeTask>(DualEncoder(config_.model, Initializer::random(3)), collectives_,
                                            trained.begun_epochs);
    Trainer(config_, start, collectives_, std::move(task)).run();
    const Checkpoint last =
        load_checkpoint(list_checkpoints(directory.checkpoints()).back().path, CheckpointPart::everything);
    trained.metrics = read_metrics(metrics_path(directory.path()));
    trained.tensors = last.weights;
    trained.tensors.insert(last.training.begin(), last.training.end());
    return trained;
  }

  testing::TempDir folder_;
  SingleProcess collectives_;
  RunConfig config_;
};

double metric(const MetricsRecord& record, const std::string& name) {
  for (const auto& [key, value] : record.metrics) {
    if (key == name) return value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

TEST_F(ProbeTaskTest, Learns) {
  const Trained trained = train("uninterrupted");
  EXPECT_NEAR(metric(trained.metrics.front(), "train/loss"), std::log(3.0), 1e-6);
  EXPECT_LT(metric(trained.metrics.back(), "train/loss"), 0.5 * std::log(3.0));
  EXPECT_GT(metric(trained.metrics.back(), "train/accuracy"), 0.9);
  EXPECT_TRUE(trained.tensors.contains("optimizer.probe.weight.exp_avg"));
  EXPECT_FALSE(trained.tensors.contains("optimizer.visual.proj.exp_avg")) << "frozen";
  EXPECT_THAT(trained.begun_epochs, ::testing::ElementsAre(0, 1, 2, 3)) << "three batches per epoch";
}

TEST_F(ProbeTaskTest, ResumesBitForBitWithPartsAndWeightEma) {
  for (const std::int64_t parts : {1, 3}) {
    for (const bool has_ema : {false, true}) {
      config_.train.gradient_cache_parts = parts;
      if (has_ema) config_.optimizer.ema_decay = 0.9;
      const std::string run = "run_" + std::to_string(parts) + (has_ema ? "_ema" : "");
      const Trained uninterrupted = train(run);
      const Trained resumed = train(run, 5);
      EXPECT_THAT(resumed.begun_epochs, ::testing::ElementsAre(2, 3)) << "step 5 is within epoch 1";
      testing::expect_same_bits(resumed.tensors, uninterrupted.tensors);
      config_.optimizer.ema_decay.reset();
    }
  }
}

TEST_F(ProbeTaskTest, InPartsTrainsTheSame) {
  const Trained once = train("once");
  config_.train.gradient_cache_parts = 4;
  const Trained parts = train("parts");
  testing::expect_close(parts.tensors.at("probe.weight"), once.tensors.at("probe.weight"), 1e-4, 1e-5);
}

// Two trainers run concurrently, and only rank 0 writes the run.
TEST_F(ProbeTaskTest, OnTwoRanksTrainsTheSame) {
  config_.train.global_batch_size = 9;
  // With as many pictures of each color in a batch, the bias has a gradient of rounding errors, which AdamW would scale up.
  config_.optimizer.eps = 1e-3;
  const Trained expected = train("one");
  const RunDirectory directory(folder_ / "two");
  testing::run_ranks(2, [&](const Collectives& collectives) {
    RunStart start;
    if (collectives.rank() == 0) start.directory = &directory;
    std::vector<std::int64_t> begun_epochs;
    auto task = std::make_unique<ProbeTask>(DualEncoder(config_.model, Initializer::random(3)), collectives,
                                            begun_epochs);
    Trainer(config_, start, collectives, std::move(task)).run();
  });
  const Checkpoint last =
      load_checkpoint(list_checkpoints(directory.checkpoints()).back().path, CheckpointPart::everything);
  testing::expect_close(last.weights.at("probe.weight"), expected.tensors.at("probe.weight"), 1e-4, 1e-5);
  EXPECT_EQ(read_metrics(metrics_path(directory.path())).size(), 12U);
  EXPECT_EQ(last.state.samples_seen, 12 * 9) << "of both ranks";
}

}  // namespace
}  // namespace cloob

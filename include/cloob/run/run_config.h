// All settings of a run: the sections of all libraries.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cloob/checkpoint/checkpoint_config.h"
#include "cloob/config/description.h"
#include "cloob/config/field.h"
#include "cloob/data/data_config.h"
#include "cloob/device/autocast.h"
#include "cloob/device/device.h"
#include "cloob/distributed/distributed_config.h"
#include "cloob/eval/eval_config.h"
#include "cloob/image/image_config.h"
#include "cloob/model/model_config.h"
#include "cloob/objective/objective_config.h"
#include "cloob/objective/objective_system.h"
#include "cloob/optim/optim_config.h"
#include "cloob/optim/reference.h"
#include "cloob/report/report_config.h"
#include "cloob/retrieval/retrieval_config.h"
#include "cloob/task/make_task.h"
#include "cloob/task/protoclip_config.h"
#include "cloob/task/reco_config.h"
#include "cloob/text/text_config.h"

namespace cloob {

struct TrainConfig {
  std::int64_t global_batch_size = 256;
  std::optional<double> epochs;
  std::optional<std::int64_t> steps;
  std::optional<std::int64_t> samples;
  std::int64_t seed = 0;
  std::optional<Precision> precision;
  DeviceChoice device = DeviceChoice::auto_;
  bool tf32 = false;
  bool cuda_graph = false;
  std::int64_t timeout_seconds = 600;
  std::int64_t threads = 0;
  std::int64_t gradient_cache_parts = 1;
  bool gradient_checkpointing = false;
  bool cache_frozen_features = false;
  bool reference_gradient_scaling = false;
  std::string initial_weights;

  static constexpr auto fields() {
    return std::tuple(
        field("global_batch_size", &TrainConfig::global_batch_size,
              "Pairs per optimizer step over all processes; every pair has all others as negatives.",
              {2, 1e9}),
        field("epochs", &TrainConfig::epochs,
              "Length of the run in passes over the data. Set exactly one of epochs, steps and samples.",
              {0, 1e9}),
        field("steps", &TrainConfig::steps, "Length of the run in optimizer steps.", {1, 1e12}),
        field("samples", &TrainConfig::samples,
              "Length of the run in pairs seen; rounded up to full optimizer steps.", {1, 1e15}),
        field("seed", &TrainConfig::seed,
              "Seed of the initial weights, the order of the samples, the augmentation and the choice of "
              "captions.",
              {0, 9e15}),
        field(
            "precision", &TrainConfig::precision,
            "Compute precision of the towers: fp32, or bf16 or fp16 with autocast and fp32 weights, or "
            "pure_bf16, which also stores matrices in bf16 and keeps fp32 master copies in the optimizer "
            "(open_clip's has none). Features, retrieval and loss are always fp32. Unset: bf16 if the GPU or "
            "the CPU (AMX, AVX512-BF16) has instructions for it, otherwise fp32; the choice is logged and "
            "saved in the run's config.yaml."),
        field("device", &TrainConfig::device, "Where to compute; auto uses the GPU if there is one."),
        field(
            "tf32", &TrainConfig::tf32,
            "Whether a GPU may round the inputs of fp32 matrix products and convolutions to a 10-bit "
            "mantissa (TF32), in retrieval and loss too: up to eight times as fast, with about three digits. "
            "open_clip does."),
        field("cuda_graph", &TrainConfig::cuda_graph,
              "Whether a GPU captures encoding, loss and backward pass in a CUDA graph, once for each shape "
              "of a full batch, and then replays it, which saves the CPU the launch of every kernel. "
              "Captions are then padded to the longest of the batch, rounded up to a multiple of 8 tokens. "
              "The graphs hold the memory of a step; steps with new shapes need theirs in addition. Not "
              "available on the CPU."),
        field(
            "timeout_seconds", &TrainConfig::timeout_seconds,
            "With several ranks: a rank that gives no sign of life, or is in one step, for this many seconds counts as "
            "lost and all end. Reading data, evaluating and saving may take longer.",
            Range{1, 1e6}),
        field("threads", &TrainConfig::threads,
              "CPU threads per tensor operation; 0 means all cores. Sums may be rounded differently with a "
              "different number of threads.",
              {0, 4096}),
        field("gradient_cache_parts", &TrainConfig::gradient_cache_parts,
              "Number of parts in which a batch is encoded, each twice (gradient caching): the loss still "
              "compares all pairs of the batch, but only the activations of one part are in memory. The "
              "gradients are those of the full batch, except that batch norms use the statistics of each "
              "part.",
              {1, 1e6}),
        field("gradient_checkpointing", &TrainConfig::gradient_checkpointing,
              "Whether the backward pass recomputes the towers' blocks instead of storing their activations: "
              "less memory, about a third more time, the same gradients."),
        field("cache_frozen_features", &TrainConfig::cache_frozen_features,
              "Caches the features of a frozen tower in memory and reuses them when an input repeats, in any "
              "epoch. Images repeat if image.train_crop is evaluation, captions always do. A resumed run "
              "recomputes the features, so their last digits may differ."),
        field(
            "reference_gradient_scaling", &TrainConfig::reference_gradient_scaling,
            "Whether gradients of the towers are divided by the number of ranks, and those of temperature and beta are not, "
            "as in open_clip (without local_loss) and the CLOOB authors' code. Only to reproduce their runs: gradients then "
            "depend on the number of ranks. Not for loss.kind sigmoid, which open_clip does not scale."),
        field("initial_weights", &TrainConfig::initial_weights,
              "Checkpoint, run folder or weights file to start from (see 'cloob weights'); empty means "
              "random weights. Position embeddings are resampled for a different image size or context "
              "length."));
  }
  void validate() const;
};
static_assert(lists_every_member<TrainConfig>);

/// The configuration of a run. Every library gets only its own section.
struct RunConfig {
  ObjectiveSystem objective = ObjectiveSystem::clip;
  Reference reference = Reference::open_clip;
  TaskConfig task;
  ProtoClipConfig protoclip;
  RecoConfig reco;
  ModelConfig model;
  DataConfig data;
  ImageConfig image;
  TextConfig text;
  LossConfig loss;
  RetrievalConfig retrieval;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  TrainConfig train;
  CheckpointConfig checkpoint;
  EvalConfig eval;
  ReportConfig report;
  DistributedConfig distributed;

  static constexpr auto fields() {
    return std::tuple(
        field(
            "objective", &RunConfig::objective,
            "Sets those of loss.kind, loss.inv_tau, loss.learn_inv_tau, retrieval.kind and retrieval.beta that "
            "are not set themselves. clip: InfoNCE, inv_tau 14.2857, learned; cloob: InfoLOOB, inv_tau 30, "
            "fixed, Hopfield retrieval with beta 8; info_loob: as cloob, without retrieval; "
            "info_nce_hopfield: as clip, with cloob's retrieval; siglip: the sigmoid loss, inv_tau 10, learned, as is "
            "loss.logit_bias; sigmoid_hopfield: as siglip, with cloob's retrieval."),
        field(
            "reference", &RunConfig::reference,
            "Whose parameter groups, warm-up and bounds of the inverse temperature to follow: open_clip "
            "decays tensors with at least two dimensions and warms up with lr (t+1)/w; protoclip follows the ProtoCLIP "
            "authors' code: the same, but projection heads do not decay; cloob follows the "
            "CLOOB authors' code: parameter groups by name and warm-up with lr t/w, so that the first step "
            "has a learning rate of zero."),
        field("task", &RunConfig::task, "The training task."),
        field("protoclip", &RunConfig::protoclip, "Prototypes and episodes of task.kind protoclip."),
        field("reco", &RunConfig::reco, "The memory and the fusion of task.kind reco."),
        field("model", &RunConfig::model, "The two towers."),
        field("data", &RunConfig::data, "The training and validation data."),
        field("image", &RunConfig::image, "Preprocessing and augmentation of images."),
        field("text", &RunConfig::text, "The tokenizer."),
        field("loss", &RunConfig::loss, "The contrastive loss and its temperature."),
        field("retrieval", &RunConfig::retrieval, "Modern Hopfield retrieval before the loss."),
        field("optimizer", &RunConfig::optimizer, "The optimizer, AdamW."),
        field("schedule", &RunConfig::schedule, "The learning rate schedule."),
        field("train", &RunConfig::train, "Length, batch size, seed, precision and device of the run."),
        field("checkpoint", &RunConfig::checkpoint, "When to save checkpoints and which to keep."),
        field("eval", &RunConfig::eval, "Evaluation during the run."),
        field("report", &RunConfig::report, "Progress display, metrics and reports of a run."),
        field("distributed", &RunConfig::distributed, "Several processes that train together."));
  }
  /// What open_clip, PyTorch and papers call these settings.
  static constexpr std::array kOtherNames = {
      OtherName{"accum_freq", "train.gradient_cache_parts"},
      OtherName{"amp", "train.precision"},
      OtherName{"batch_size", "train.global_batch_size"},
      OtherName{"class_names", "eval.class_names"},
      OtherName{"classnames", "eval.class_names"},
      OtherName{"csv_caption_key", "data.csv.caption_columns"},
      OtherName{"csv_img_key", "data.csv.filepath_column"},
      OtherName{"csv_separator", "data.csv.separator"},
      OtherName{"dataset_resampled", "data.with_replacement"},
      OtherName{"dataset_type", "data.format"},
      OtherName{"force_context_length", "model.text.context_length"},
      OtherName{"force_image_size", "model.image.image_size"},
      OtherName{"force_patch_dropout", "model.image.patch_dropout"},
      OtherName{"grad_checkpointing", "train.gradient_checkpointing"},
      OtherName{"image_mean", "image.mean"},
      OtherName{"image_std", "image.std"},
      OtherName{"imagenet_v2", "eval.zero_shot"},
      OtherName{"imagenet_val", "eval.zero_shot"},
      OtherName{"learning_rate", "optimizer.lr"},
      OtherName{"lock_image", "optimizer.image.frozen"},
      OtherName{"lock_text", "optimizer.text.frozen"},
      OtherName{"init_logit_bias", "loss.logit_bias"},
      OtherName{"init_logit_scale", "loss.inv_tau"},
      OtherName{"logit_scale", "loss.inv_tau"},
      OtherName{"lr_cooldown_end", "schedule.cooldown_end_lr"},
      OtherName{"lr_cooldown_power", "schedule.cooldown_power"},
      OtherName{"lr_scheduler", "schedule.kind"},
      OtherName{"method", "objective"},
      OtherName{"num_workers", "data.threads"},
      OtherName{"pretrained", "train.initial_weights"},
      OtherName{"save_frequency", "checkpoint.every_epochs"},
      OtherName{"scale_hopfield", "retrieval.beta"},
      OtherName{"temperature", "loss.inv_tau"},
      OtherName{"train_data", "data.train"},
      OtherName{"train_data_upsampling_factors", "data.train_weights"},
      OtherName{"val_data", "data.val"},
      OtherName{"val_frequency", "eval.every_epochs"},
      OtherName{"warmup", "schedule.warmup_steps"},
      OtherName{"wd", "optimizer.weight_decay"},
      OtherName{"workers", "data.threads"},
      OtherName{"zeroshot_frequency", "eval.every_epochs"},
  };
  static constexpr std::array kRetiredSettings = {
      RetiredSetting{"model.name", "a model is chosen by --model NAME, and its name follows from its sizes"},
  };
  void validate() const;
  /// What `objective` implies.
  std::vector<ImpliedSetting> implied_settings() const;
  /// Makes `objective` name the loss and the retrieval, which may have been set otherwise.
  void complete();
};
static_assert(lists_every_member<RunConfig>);

/// `train.precision`, or the default for the device if it is unset.
Precision precision_of(const TrainConfig& config);

/// The settings from which the run's task is created.
TaskSettings task_settings(const RunConfig& config);

/// The position at which a run starts or continues, in terms of the current batches.
struct RunPosition {
  std::int64_t step = 0;          ///< optimizer steps taken
  std::int64_t samples = 0;       ///< pairs that were read for these, including unusable ones
  std::int64_t epoch = 0;         ///< of the next batch
  std::int64_t batches_left = 0;  ///< of that epoch
  std::int64_t batches_per_epoch = 0;
  double passes_per_epoch = 1;  ///< passes over the data that an epoch is: other than 1 for episodes
};

/// Total optimizer steps of the run, including those already taken. A run that continues with a different
/// batch size, or on more data, trains for the remaining epochs or samples. Throws UserError if its length is
/// not set.
std::int64_t total_steps(const TrainConfig& config, const RunPosition& position);

}  // namespace cloob

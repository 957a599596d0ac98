// Everything that a run can be told: the sum of the rooms' settings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cloob/checkpoint/checkpoint_config.h"
#include "cloob/config/field.h"
#include "cloob/data/data_config.h"
#include "cloob/eval/eval_config.h"
#include "cloob/image/image_config.h"
#include "cloob/model/model_config.h"
#include "cloob/nn/autocast.h"
#include "cloob/nn/device.h"
#include "cloob/objective/objective_config.h"
#include "cloob/optim/optim_config.h"
#include "cloob/optim/reference.h"
#include "cloob/report/report_config.h"
#include "cloob/retrieval/retrieval_config.h"
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
  std::int64_t threads = 0;
  std::int64_t gradient_cache_parts = 1;
  bool gradient_checkpointing = false;
  bool cache_frozen_features = false;
  std::string initial_weights;

  static constexpr auto fields() {
    return std::tuple(
        field("global_batch_size", &TrainConfig::global_batch_size,
              "Pairs in one optimizer step over all processes; every pair sees all others as negatives.",
              {2, 1e9}),
        field("epochs", &TrainConfig::epochs,
              "Length of the run in passes over the data. Exactly one of epochs, steps and samples is set.",
              {0, 1e9}),
        field("steps", &TrainConfig::steps, "Length of the run in optimizer steps.", {1, 1e12}),
        field("samples", &TrainConfig::samples,
              "Length of the run in pairs seen; rounded up to whole optimizer steps.", {1, 1e15}),
        field("seed", &TrainConfig::seed,
              "Seed of the initial weights, the order of the samples, the augmentation and the choice of "
              "captions.",
              {0, 9e15}),
        field(
            "precision", &TrainConfig::precision,
            "What the towers compute in: fp32, or bf16 or fp16 by autocast with fp32 weights, or pure_bf16, "
            "which also stores matrices in bf16 and keeps fp32 master copies in the optimizer (open_clip's "
            "has none). Features, "
            "retrieval and loss are fp32 in any case. Unset: bf16 where the GPU or the CPU (AMX, "
            "AVX512-BF16) "
            "has instructions for it, otherwise fp32; the run says which, and its config.yaml keeps it."),
        field("device", &TrainConfig::device, "Where to compute; auto takes the GPU where there is one."),
        field(
            "tf32", &TrainConfig::tf32,
            "Whether a GPU may round the factors of fp32 products and convolutions to 10 bits (TF32), those "
            "of retrieval and loss too: up to eight times as fast, with about three digits. open_clip does."),
        field("cuda_graph", &TrainConfig::cuda_graph,
              "Whether a GPU records towers, loss and backward pass once for each shape of a full batch and "
              "then replays them, which spares the CPU the launch of every kernel. Captions are then padded "
              "to the longest of the batch, rounded up to a multiple of 8 tokens. The recordings keep the "
              "memory of a step; steps of new shapes take theirs beside it. The CPU has no graphs."),
        field("threads", &TrainConfig::threads,
              "Threads of one tensor operation on the CPU; 0 takes all cores. Another number of threads can "
              "round sums "
              "differently.",
              {0, 4096}),
        field("gradient_cache_parts", &TrainConfig::gradient_cache_parts,
              "Parts in which a batch is encoded, each twice: the loss still compares all pairs of the "
              "batch, but only "
              "one part's activations are in memory. The gradients are those of one batch; batch norms take "
              "their "
              "statistics of each part.",
              {1, 1e6}),
        field("gradient_checkpointing", &TrainConfig::gradient_checkpointing,
              "Whether the backward pass computes the towers' blocks again instead of keeping what is in "
              "them: less "
              "memory, about a third more time, the same gradients."),
        field("cache_frozen_features", &TrainConfig::cache_frozen_features,
              "Keeps the features of a frozen tower in memory and looks inputs up that come back, whatever "
              "epoch they come in. Images come back where image.train_crop is evaluation, captions always. A "
              "resumed run computes them anew, so that it repeats the last digits of features no more."),
        field("initial_weights", &TrainConfig::initial_weights,
              "Checkpoint, run folder or weights file to start from (see 'cloob weights'); empty starts from "
              "random "
              "weights. Position embeddings are resampled for another image size or context length."));
  }
  void validate() const;
};
static_assert(lists_every_member<TrainConfig>);

/// A whole run. Every room is handed its own section only.
struct RunConfig {
  Reference reference = Reference::open_clip;
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

  static constexpr auto fields() {
    return std::tuple(
        field("reference", &RunConfig::reference,
              "Whose parameter groups, warm-up and clamp of the inverse temperature to follow: open_clip "
              "decays tensors of "
              "two and more dimensions and warms up with lr (t+1)/w; cloob repeats the CLOOB authors' code: "
              "groups by "
              "name, lr t/w, so that the first step has a learning rate of zero."),
        field("model", &RunConfig::model, "The two towers."),
        field("data", &RunConfig::data, "Where the pairs come from."),
        field("image", &RunConfig::image, "Preprocessing and augmentation of images."),
        field("text", &RunConfig::text, "The tokenizer."),
        field("loss", &RunConfig::loss, "The contrastive loss and its temperature."),
        field("retrieval", &RunConfig::retrieval, "Modern Hopfield retrieval before the loss."),
        field("optimizer", &RunConfig::optimizer, "AdamW."),
        field("schedule", &RunConfig::schedule, "The learning rate over the run."),
        field("train", &RunConfig::train, "Length, batch, seed, precision and device of the run."),
        field("checkpoint", &RunConfig::checkpoint, "When to save and what to keep."),
        field("eval", &RunConfig::eval, "Evaluation during the run."),
        field("report", &RunConfig::report, "What a run shows and writes while it goes on."));
  }
  void validate() const;
};
static_assert(lists_every_member<RunConfig>);

/// `train.precision`, or where it is unset the one that is picked for the device.
Precision precision_of(const TrainConfig& config);

/// Where a run begins or goes on, in the batches that it is made of now.
struct RunPosition {
  std::int64_t step = 0;          ///< optimizer steps taken
  std::int64_t samples = 0;       ///< pairs that these went through, unusable ones too
  std::int64_t epoch = 0;         ///< of the next batch
  std::int64_t batches_left = 0;  ///< of that epoch
  std::int64_t batches_per_epoch = 0;
};

/// Optimizer steps from the very beginning to the end of the run. A run that goes on with batches of another
/// size, or on more data, does what is left of its epochs or samples. Throws UserError when its length is not
/// set.
std::int64_t total_steps(const TrainConfig& config, const RunPosition& position);

}  // namespace cloob

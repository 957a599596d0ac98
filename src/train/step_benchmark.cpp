#include "cloob/train/step_benchmark.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/memory.h"
#include "cloob/base/slice.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"
#include "cloob/device/device.h"
#include "cloob/device/device_graph.h"
#include "cloob/device/device_memory.h"
#include "cloob/device/streams.h"
#include "cloob/optim/learning_rates.h"
#include "cloob/task/make_task.h"
#include "cloob/task/protoclip_task.h"
#include "cloob/task/reco_task.h"
#include "cloob/text/padding.h"
#include "cloob/train/train_step.h"
#include "train/graphed_step.h"
#include "train/rank_times.h"
#include "train/step_decision.h"

namespace cloob {
namespace {

// This rank's part of a random batch, before its captions get their lengths.
Batch make_batch(const RunConfig& config, const Collectives& collectives) {
  const ModelConfig& model = config.model;
  const auto [first, size] =
      slice_of(config.train.global_batch_size, collectives.rank(), collectives.world_size());
  const std::int64_t side = model.image.image_size;
  Batch batch;
  const bool has_images = reads_samples(config.task.kind);
  batch.images_BCHW = at::empty({size, 3, has_images ? side : 0, has_images ? side : 0});
  batch.tokens_BL = at::empty({size, model.text.context_length}, at::kLong);
  for (std::int64_t row = 0; row < size; ++row) {
    const at::Generator generator =
        at::make_generator<at::CPUGeneratorImpl>(/*seed=*/static_cast<std::uint64_t>(first + row));
    batch.images_BCHW[row].normal_(0, 1, generator);
    batch.tokens_BL[row].random_(model.text.vocab_size, generator);
  }
  batch.indices.resize(static_cast<std::size_t>(size));
  std::iota(batch.indices.begin(), batch.indices.end(), first);
  return batch;
}

// The caption lengths of a step continue those of the previous step.
Batch with_lengths(Batch batch, const StepBenchmark& benchmark, std::int64_t step) {
  const ModelConfig& model = benchmark.config.model;
  std::vector<std::int64_t> ends;
  for (const std::int64_t row : batch.indices) {
    const auto& lengths = benchmark.caption_lengths;
    const std::int64_t length =
        lengths[static_cast<std::size_t>(step * benchmark.config.train.global_batch_size + row) %
                lengths.size()];
    if (length < 2 || length > model.text.context_length) {
      throw_user_error(
          "--caption-tokens: a caption has {} tokens, must be between 2 and model.text.context_length ({})",
          length, model.text.context_length);
    }
    ends.push_back(length - 1);
  }
  batch.end_positions_B = at::tensor(ends, at::kLong);
  batch.tokens_BL = without_padding(batch.tokens_BL, batch.end_positions_B);
  return batch;
}

// As after clustering: with prototypes for the batch, whose samples are at the first places of the episode.
void begin_episode(TrainingTask& task, const ProtoClipConfig& config, Batch& batch) {
  batch.places.resize(batch.indices.size());
  std::iota(batch.places.begin(), batch.places.end(), 0);
  NamedTensors state = random_episode(config, batch.epoch, batch.size());
  state.merge(task.state());
  task.load(task.weights(), state);
}

// Random pairs, of which any are the nearest.
class RandomMemory final : public PairMemory {
 public:
  explicit RandomMemory(std::int64_t dims) : features_ND_(at::empty({kSize, dims})) {
    features_ND_.normal_(0, 1, at::make_generator<at::CPUGeneratorImpl>(/*seed=*/std::uint64_t{0}));
    features_ND_.div_(features_ND_.norm(2, 1, /*keepdim=*/true));
  }

  std::int64_t size() const override { return kSize; }
  std::int64_t dims() const override { return features_ND_.size(1); }
  std::string describe() const override { return "the memory of a benchmark"; }
  std::string identity() const override { return "random"; }
  at::Tensor nearest(Modality, const at::Tensor& query_QD, std::int64_t k,
                     const LeftOutPairs*) const override {
    return at::empty({query_QD.size(0), k}, at::kLong).random_(kSize);
  }
  at::Tensor features(Modality, const at::Tensor& rows) const override {
    std::vector<std::int64_t> shape = rows.sizes().vec();
    shape.push_back(dims());
    return features_ND_.index_select(0, rows.reshape({-1})).reshape(shape);
  }

 private:
  static constexpr std::int64_t kSize = 16'384;
  at::Tensor features_ND_;
};

// A benchmark has no memory and no data: both are made up.
PairMemories random_memories(const RunConfig& config) {
  if (config.task.kind != TaskKind::reco) return {};
  return {.training = std::make_shared<const RandomMemory>(config.model.embed_dim)};
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

StepBenchmarkResult benchmark_step(const StepBenchmark& benchmark, const Collectives& collectives) {
  CLOOB_CHECK(benchmark.steps > 0 && !benchmark.caption_lengths.empty(), "{} steps, {} lengths",
              benchmark.steps, benchmark.caption_lengths.size());
  const c10::Device device = select_device(benchmark.config.train.device);
  const ComputeStream compute_stream(device);
  Batch full_batch = make_batch(benchmark.config, collectives);
  const RunConfig& config = benchmark.config;
  const auto task = make_task(task_settings(config), {}, collectives, device, random_memories(config));
  if (config.task.kind == TaskKind::protoclip) begin_episode(*task, config.protoclip, full_batch);
  if (auto* const reco = dynamic_cast<RecoTask*>(task.get()))
    reco->begin_with_random(config.train.global_batch_size);
  TrainStep train_step(config, *task, collectives, device);
  StepBenchmarkResult result;
  // Training copies the images while the device computes the previous step.
  if (!train_step.reads_images_on_host()) full_batch.images_BCHW = full_batch.images_BCHW.to(device);
  double own_seconds = 0;  // of the last step, without waiting for other ranks
  const auto timed_step = [&](std::int64_t step) {
    const Batch batch = with_lengths(full_batch, benchmark, step);
    const Timer timer;
    const CommunicationTotals before = collectives.communication();
    train_step.forward_backward(batch, step);
    result.loss = train_step.update(same_for_all(config.optimizer.lr)).loss.item<double>();
    const double seconds = timer.seconds();
    const CommunicationTotals after = collectives.communication();
    own_seconds = seconds - (after.seconds - before.seconds);
    result.bytes_per_step = after.bytes - before.bytes;
    return seconds;
  };
  result.first_seconds = timed_step(0);
  timed_step(1);
  RankTimes rank_times;
  const auto timed_steps = [&] {
    std::vector<double> seconds;
    for (std::int64_t step = 0; step < benchmark.steps; ++step) {
      seconds.push_back(timed_step(step + 2));
      const StepDecision times = decide({.own_seconds = own_seconds}, collectives);  // as in training
      rank_times.add(seconds.back(), times.own_seconds);
    }
    return seconds;
  };
  // Warm-up until every shape has been captured.
  const bool are_captured = config.train.cuda_graph && graphs_of(device);
  for (int call = 0; are_captured && call <= GraphedStep::kCallsBeforeCapture; ++call) timed_steps();
  log_info("bench", "{}", counted(benchmark.steps, "timed step"));
  result.seconds = median(timed_steps());
  result.samples_per_second = static_cast<double>(config.train.global_batch_size) / result.seconds;
  if (!rank_times.empty()) result.communication_share = rank_times.communication_share();
  result.peak_rss_gib = static_cast<double>(peak_rss_bytes()) / kGiB;
  if (!device.is_cpu()) result.peak_device_gib = static_cast<double>(peak_memory_bytes(device)) / kGiB;
  return result;
}

}  // namespace cloob

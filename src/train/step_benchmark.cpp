#include "cloob/train/step_benchmark.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/memory.h"
#include "cloob/base/timer.h"
#include "cloob/nn/device.h"
#include "cloob/nn/device_graph.h"
#include "cloob/nn/streams.h"
#include "cloob/text/tokenizer.h"
#include "cloob/train/train_step.h"
#include "train/replayed_work.h"
#include "train/training_parts.h"

namespace cloob {
namespace {

// All of a batch but the lengths of its captions.
Batch make_batch(const RunConfig& config) {
  const ModelConfig& model = config.model;
  const std::int64_t size = config.train.global_batch_size;
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(/*seed=*/0);
  Batch batch;
  batch.images_BCHW = at::randn({size, 3, model.image.image_size, model.image.image_size}, generator);
  batch.tokens_BL =
      at::randint(model.text.vocab_size, {size, model.text.context_length}, generator, at::kLong);
  batch.indices.resize(static_cast<std::size_t>(size));
  std::iota(batch.indices.begin(), batch.indices.end(), 0);
  return batch;
}

// The captions of a step are those behind the captions of the step before.
Batch with_lengths(Batch batch, const StepBenchmark& benchmark, std::int64_t step) {
  const ModelConfig& model = benchmark.config.model;
  const std::int64_t size = batch.size();
  std::vector<std::int64_t> ends;
  for (std::int64_t row = 0; row < size; ++row) {
    const auto& lengths = benchmark.caption_lengths;
    const std::int64_t length = lengths[static_cast<std::size_t>(step * size + row) % lengths.size()];
    if (length < 2 || length > model.text.context_length) {
      throw_user_error(
          "a caption of {} tokens (--caption-tokens): it has to have 2 to model.text.context_length ({})",
          length, model.text.context_length);
    }
    ends.push_back(length - 1);
  }
  batch.end_positions_B = at::tensor(ends, at::kLong);
  batch.tokens_BL = without_padding(batch.tokens_BL, batch.end_positions_B);
  return batch;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

StepBenchmarkResult benchmark_step(const StepBenchmark& benchmark) {
  CLOOB_CHECK(benchmark.steps > 0 && !benchmark.caption_lengths.empty(), "{} steps, {} lengths",
              benchmark.steps, benchmark.caption_lengths.size());
  const c10::Device device = select_device(benchmark.config.train.device);
  const ComputeStream compute_stream(device);
  Batch made_up = make_batch(benchmark.config);
  TrainStep train_step(benchmark.config, make_model(benchmark.config, device), device);
  StepBenchmarkResult result;
  // Training copies the images while the device computes the step before.
  if (!train_step.reads_images()) made_up.images_BCHW = made_up.images_BCHW.to(device);
  const auto timed_step = [&](std::int64_t step) {
    const Batch batch = with_lengths(made_up, benchmark, step);
    const Timer timer;
    result.loss = train_step.run(batch, step, benchmark.config.optimizer.lr).loss.item<double>();
    return timer.seconds();
  };
  result.first_seconds = timed_step(0);
  timed_step(1);
  const auto timed_steps = [&] {
    std::vector<double> seconds;
    for (std::int64_t step = 0; step < benchmark.steps; ++step) seconds.push_back(timed_step(step + 2));
    return seconds;
  };
  // Until each of them has been recorded.
  const bool are_recorded = benchmark.config.train.cuda_graph && graphs_of(device);
  for (int call = 0; are_recorded && call <= ReplayedWork::kCallsBeforeRecording; ++call) timed_steps();
  result.seconds = median(timed_steps());
  result.samples_per_second = static_cast<double>(made_up.size()) / result.seconds;
  result.peak_rss_gib = static_cast<double>(peak_rss_bytes()) / kGiB;
  return result;
}

}  // namespace cloob

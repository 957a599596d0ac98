// Shapes: n images and m texts of a part, D features.
#include "cloob/eval/recall_benchmark.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/memory.h"
#include "cloob/base/slice.h"
#include "cloob/base/timer.h"
#include "cloob/eval/retrieval_metrics.h"
#include "eval/division.h"

namespace cloob {
namespace {

constexpr std::int64_t kBatchSize = 64;  // that an evaluation encodes at once by default
constexpr double kNoise = 0.3;

// The features of each text are those of its image and noise, as much that recalls are neither 0 nor 1.
PairFeatures random_part(const RecallBenchmark& benchmark, Slice images, const at::Generator& generator) {
  PairFeatures part;
  part.image_ND = unit_rows(at::randn({images.count, benchmark.dim}, generator, at::kFloat));
  for (std::int64_t image = 0; image < images.count; ++image) {
    const Slice texts = slice_of(benchmark.num_texts, images.first + image, benchmark.num_images);
    part.image_of_text.insert(part.image_of_text.end(), static_cast<std::size_t>(texts.count), image);
  }
  const auto num_texts = std::ssize(part.image_of_text);
  part.text_MD = at::randn({num_texts, benchmark.dim}, generator, at::kFloat);
  const at::Tensor image_of_text_m = at::tensor(at::ArrayRef(part.image_of_text), at::kLong);
  part.text_MD = unit_rows(part.text_MD.mul_(kNoise).add_(part.image_ND.index_select(0, image_of_text_m)));
  return part;
}

// The parts that an evaluation would have.
std::vector<PairFeatures> random_parts(const RecallBenchmark& benchmark) {
  const EvaluationParts division(benchmark.num_images, kBatchSize);
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(benchmark.seed);
  std::vector<PairFeatures> parts;
  for (std::int64_t first = 0; first < benchmark.num_images;) {
    std::int64_t end = first;
    while (end < benchmark.num_images && division.part_of(end) == division.part_of(first)) ++end;
    parts.push_back(random_part(benchmark, {first, end - first}, generator));
    first = end;
  }
  return parts;
}

}  // namespace

NamedNumbers benchmark_recall(const RecallBenchmark& benchmark) {
  if (benchmark.num_texts < benchmark.num_images) {
    throw_user_error("{} images have only {} texts: every image needs one", benchmark.num_images,
                     benchmark.num_texts);
  }
  const std::vector<PairFeatures> parts = random_parts(benchmark);
  const auto rows = static_cast<double>(benchmark.num_images + benchmark.num_texts);
  const double features_gib = rows * static_cast<double>(benchmark.dim) * sizeof(float) / kGiB;
  reset_peak_rss();
  const std::uint64_t before = current_rss_bytes();
  const Timer timer;
  const RetrievalMetrics metrics = retrieval_metrics(parts, SingleProcess());
  NamedNumbers numbers = {{"seconds", timer.seconds()}};
  numbers.emplace_back("features_gib", features_gib);
  numbers.emplace_back("peak_gib", static_cast<double>(std::max(peak_rss_bytes(), before) - before) / kGiB);
  const NamedNumbers recalls = named_numbers(metrics);
  numbers.insert(numbers.end(), recalls.begin(), recalls.end());
  return numbers;
}

}  // namespace cloob

#include "search/product_quantizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "cloob/base/collectives.h"
#include "cloob/base/error.h"
#include "cloob/cluster/kmeans.h"
#include "cloob/cluster/nearest.h"

namespace cloob {
namespace {

// Piece m of all vectors, filled up with zeros.
at::Tensor piece_of(const at::Tensor& vectors_ND, std::int64_t m, std::int64_t numbers) {
  const std::int64_t first = m * numbers;
  const std::int64_t count = std::min(numbers, vectors_ND.size(1) - first);
  const at::Tensor part = vectors_ND.narrow(1, first, count);
  if (count == numbers) return part.contiguous();
  const at::Tensor piece_NS = at::zeros({vectors_ND.size(0), numbers}, vectors_ND.options());
  piece_NS.narrow(1, 0, count).copy_(part);
  return piece_NS;
}

}  // namespace

CodeShape code_shape(std::int64_t dims, std::int64_t bytes) {
  const std::int64_t numbers = (dims + bytes - 1) / bytes;
  return {(dims + numbers - 1) / numbers, numbers};
}

at::Tensor train_codebooks(const at::Tensor& vectors_ND, const CodeShape& shape,
                           const StopRequested& stop_requested) {
  const std::int64_t words = std::min(kCodeWords, vectors_ND.size(0));
  const at::Tensor codebooks_MSW = at::zeros({shape.bytes, shape.numbers, kCodeWords}, at::kFloat);
  for (std::int64_t m = 0; m < shape.bytes; ++m) {
    const KMeansOptions options = {.clusters = words, .iterations = 16, .between_iterations = [&] {
                                     if (stop_requested && stop_requested()) throw IndexingStopped();
                                   }};
    const KMeansResult clusters = kmeans(piece_of(vectors_ND, m, shape.numbers), options, SingleProcess());
    codebooks_MSW[m].narrow(1, 0, words).copy_(clusters.centroids_KD.t());
  }
  return codebooks_MSW;
}

std::vector<std::uint8_t> encode(const at::Tensor& vectors_ND, const at::Tensor& codebooks_MSW) {
  const std::int64_t count = vectors_ND.size(0), bytes = codebooks_MSW.size(0);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(count * bytes));
  for (std::int64_t m = 0; m < bytes; ++m) {
    const at::Tensor words_WS = codebooks_MSW[m].t().contiguous();
    // The nearest word has the largest <x, w> - |w|^2 / 2.
    const Nearest nearest = nearest_centroids(piece_of(vectors_ND, m, codebooks_MSW.size(1)), words_WS,
                                              words_WS.square().sum(1) * -0.5);
    const auto* const words = nearest.labels_N.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < count; ++i)
      codes[static_cast<std::size_t>(i * bytes + m)] = static_cast<std::uint8_t>(words[i]);
  }
  return codes;
}

std::vector<float> word_scores(const float* query, std::int64_t dims, const CodeShape& shape,
                               const float* codebooks) {
  std::vector<float> scores(static_cast<std::size_t>(shape.bytes * kCodeWords), 0.0f);
  for (std::int64_t d = 0; d < dims; ++d) {
    float* const of_piece = scores.data() + d / shape.numbers * kCodeWords;
    const float* const numbers = codebooks + d * kCodeWords;
    for (std::int64_t w = 0; w < kCodeWords; ++w) of_piece[w] += query[d] * numbers[w];
  }
  return scores;
}

}  // namespace cloob

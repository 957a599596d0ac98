// Codes of one byte for each few numbers of a vector (Jegou, Douze and Schmid, Product quantization for nearest neighbor search).
//
// Shapes: N vectors, D numbers of a vector, M bytes of a code, S numbers for a byte, W words of a codebook.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "cloob/search/index_writer.h"

namespace cloob {

inline constexpr std::int64_t kCodeWords = 256;

/// How vectors are cut: into `bytes` pieces of `numbers` numbers, the last of which can have fewer.
struct CodeShape {
  std::int64_t bytes = 0;
  std::int64_t numbers = 0;
};
/// The shape with at most that many bytes. No piece is empty: 60 bytes for 512 numbers are 57 pieces of 9.
CodeShape code_shape(std::int64_t dims, std::int64_t bytes);

/// Codebooks (M, S, W), fp32, by k-means of each piece; as many words as there are vectors if these are fewer than W, the others
/// are zeros. The same bits for any number of threads.
at::Tensor train_codebooks(const at::Tensor& vectors_ND, const CodeShape& shape,
                           const StopRequested& stop_requested);

/// The codes of vectors, M bytes each: of each piece the nearest word.
std::vector<std::uint8_t> encode(const at::Tensor& vectors_ND, const at::Tensor& codebooks_MSW);

/// The inner product of each word with the piece of the query that it is for: (M, W).
std::vector<float> word_scores(const float* query, std::int64_t dims, const CodeShape& shape,
                               const float* codebooks);

/// The inner product of the query and the vector that a code stands for. A pure function of the two.
inline float code_score(const float* word_scores, const std::uint8_t* code, std::int64_t bytes) {
  // Eight sums by name: an array of them stays in memory, and takes three times as long.
  float a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
  std::int64_t m = 0;
  for (; m + 8 <= bytes; m += 8) {
    const float* const scores = word_scores + m * kCodeWords;
    a += scores[0 * kCodeWords + code[m + 0]];
    b += scores[1 * kCodeWords + code[m + 1]];
    c += scores[2 * kCodeWords + code[m + 2]];
    d += scores[3 * kCodeWords + code[m + 3]];
    e += scores[4 * kCodeWords + code[m + 4]];
    f += scores[5 * kCodeWords + code[m + 5]];
    g += scores[6 * kCodeWords + code[m + 6]];
    h += scores[7 * kCodeWords + code[m + 7]];
  }
  for (; m < bytes; ++m) a += word_scores[m * kCodeWords + code[m]];
  return ((a + b) + (c + d)) + ((e + f) + (g + h));
}

}  // namespace cloob

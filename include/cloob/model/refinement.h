// What a memory makes of the features of one query, with what each retrieved pair contributes to it.
//
// Shapes: K retrieved pairs, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cloob {

struct Refinement {
  at::Tensor refined_1D;           ///< unit features
  std::vector<std::int64_t> rows;  ///< K rows of the memory, the most similar first
  at::Tensor similarity_K;         ///< of each to the query, in the modality that was searched; on the CPU
  at::Tensor without_KD;           ///< row k: the refined features if pair k had not been retrieved
};

}  // namespace cloob

#pragma once

#include <ATen/core/Tensor.h>

#include "cloob/nn/sequence_groups.h"

namespace cloob {

/// The tokens of a batch up to the end of each text, with texts of equal length grouped together.
struct PackedTexts {
  SequenceGroups groups;  ///< from the shortest to the longest, then the filler, if any
  at::Tensor ids_T;
  at::Tensor positions_T;         ///< of each token in its text
  at::Tensor sequence_of_text_B;  ///< index of the sequence of text b; undefined if the order is unchanged
};

/// Whether a batch of texts of different lengths is padded with short dummy sequences that belong to no text.
/// With them the number of tokens takes few distinct values, at a cost of at most 3 % more tokens, so that
/// kernels that are generated per number of tokens are reused.
enum class TextFiller { none, to_few_sizes };

/// int64 ids (B, L) and the positions of end tokens (B), both preferably on the CPU; the result is on
/// `device`. Throws InternalError for an end outside of the text.
PackedTexts pack_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B, TextFiller filler,
                       c10::Device device);

}  // namespace cloob

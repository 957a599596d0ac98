#pragma once

#include <ATen/core/Tensor.h>

#include "cloob/nn/sequence_groups.h"

namespace cloob {

/// The tokens of a batch up to the end of each text, those of one length side by side.
struct PackedTexts {
  SequenceGroups groups;  ///< from the shortest to the longest, and behind them the filler, if any
  at::Tensor ids_T;
  at::Tensor positions_T;         ///< of a token in its text
  at::Tensor sequence_of_text_B;  ///< where text b has gone; undefined where all have kept their places
};

/// Whether texts of different lengths get short sequences behind them that belong to no text. With them the
/// numbers of tokens come from a short list: at most 3 % more, for kernels that are made once for each number.
enum class TextFiller { none, to_few_sizes };

/// int64 ids (B, L) and the places of end tokens (B), both best on the CPU; the result lies on `device`.
/// Throws InternalError for an end outside of the text.
PackedTexts pack_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B, TextFiller filler,
                       c10::Device device);

}  // namespace cloob

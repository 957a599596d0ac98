// A memory of image-text pairs that were encoded with a model, from which features of the same model are refined (RECO).
//
// Shapes: Q queries, K neighbors, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace cloob {

enum class Modality { image, text };

inline Modality other(Modality modality) {
  return modality == Modality::image ? Modality::text : Modality::image;
}

/// Pairs that queries must not find: they are the answer. For training, where the queries may be in the memory themselves.
struct LeftOutPairs {
  /// Of each query: pairs with this key are left out. Empty: none for that reason.
  std::vector<std::string> keys = {};
  /// (Q, D), unit features of the pair that each query is of. Pairs whose image has at least this inner product with its image, or
  /// whose text has with its text, are left out.
  at::Tensor image_QD = {};
  at::Tensor text_QD = {};
  double similarity = 1;
};

/// Thread-safe.
class PairMemory {
 public:
  virtual ~PairMemory() = default;

  virtual std::int64_t size() const = 0;
  virtual std::int64_t dims() const = 0;
  /// What it is, for messages.
  virtual std::string describe() const = 0;
  /// Differs from that of a memory that has other pairs, or was made by another model: a short text.
  virtual std::string identity() const = 0;

  /// Unit features (Q, D) -> the rows of the K pairs whose features of `searched` have the largest inner products with each, the
  /// best first, and of equal ones the first row first: int64 on the CPU, -1 where there are no more.
  virtual at::Tensor nearest(Modality searched, const at::Tensor& query_QD, std::int64_t k,
                             const LeftOutPairs* left_out) const = 0;
  /// Rows, int64 on the CPU, of any shape (...) -> their features (..., D), float32 on the CPU; zeros for -1.
  virtual at::Tensor features(Modality modality, const at::Tensor& rows) const = 0;
};

/// The memories of a model.
struct PairMemories {
  std::shared_ptr<const PairMemory> training = nullptr;
  std::shared_ptr<const PairMemory> evaluation = nullptr;  ///< null: that of training
};

}  // namespace cloob

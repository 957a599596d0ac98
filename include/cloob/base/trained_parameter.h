#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace cloob {

/// The part of a model that a parameter belongs to; scales and heads over both towers are shared.
enum class Tower { image, text, shared };

/// A trainable tensor and the properties that a training recipe needs. They are declared by the owner of the
/// tensor, never inferred from its name.
struct TrainedParameter {
  at::Tensor tensor;
  Tower tower = Tower::shared;
  /// Depth in its tower: 0 for embeddings and a ResNet's stem, n for the n-th block or ResNet stage; nullopt
  /// for everything after the last of them (final norm, projection, attention pool) and for shared
  /// parameters.
  std::optional<std::int64_t> layer = std::nullopt;
  /// Exempt from weight decay in every recipe, such as a scale that must not approach zero.
  bool is_exempt_from_decay = false;
  /// Of a head that only the loss uses, not the features that are evaluated.
  bool is_projection_head = false;
};

/// By name. Frozen parameters are included and do not require gradients.
using TrainedParameters = std::map<std::string, TrainedParameter>;

}  // namespace cloob

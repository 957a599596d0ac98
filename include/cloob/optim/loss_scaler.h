#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>

#include "cloob/base/named_tensors.h"

namespace cloob {

/// The policy of a loss scaler; the defaults are PyTorch's.
struct LossScalerOptions {
  double initial_scale = 65536.0;
  double growth_factor = 2.0;
  double backoff_factor = 0.5;
  std::int64_t growth_interval = 2000;  ///< good steps before the scale grows
};

/// Keeps fp16 gradients from underflow: the loss is multiplied by a scale that grows as long as no gradient
/// overflows.
///
/// Every step: `scale` the loss and go backward; `unscale` the gradients; update the weights only if that
/// returned true; `update`. Whether steps are taken or skipped, and every scale, are those of
/// torch.amp.GradScaler.
class LossScaler {
 public:
  LossScaler(const LossScalerOptions& options, c10::Device device);

  /// The loss to call `backward` on.
  at::Tensor scale(const at::Tensor& loss) const;

  /// Divides all gradients by the scale, in place. Returns whether they are all finite; if not, skip the
  /// step. Waits for the device.
  bool unscale(const NamedTensors& parameters);

  /// Adapts the scale to what the last `unscale` saw.
  void update();

  double current_scale() const;

  /// "scale" and "growth_tracker".
  NamedTensors state() const;
  /// Copies a saved state in. Throws UserError when names or shapes do not match.
  void load_state(const NamedTensors& state);

 private:
  LossScalerOptions options_;
  at::Tensor scale_;
  at::Tensor growth_tracker_;
  at::Tensor found_inf_;
};

}  // namespace cloob

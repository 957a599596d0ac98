#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>

#include "cloob/base/named_tensors.h"
#include "cloob/base/trained_parameter.h"

namespace cloob {

/// The policy of a loss scaler; the defaults are PyTorch's.
struct LossScalerOptions {
  double initial_scale = 65536.0;
  double growth_factor = 2.0;
  double backoff_factor = 0.5;
  std::int64_t growth_interval = 2000;  ///< steps without overflow before the scale grows
};

/// Keeps fp16 gradients from underflowing: the loss is multiplied by a scale that grows as long as no
/// gradient overflows.
///
/// In every step: `scale` the loss and run the backward pass; `unscale` the gradients; update the weights
/// unless they overflowed; call `update`. Skips the same steps and uses the same scales as
/// torch.amp.GradScaler. Only `current_scale` synchronizes with the device.
class LossScaler {
 public:
  LossScaler(const LossScalerOptions& options, c10::Device device);

  /// The loss to call `backward` on.
  at::Tensor scale(const at::Tensor& loss) const;

  /// Divides all gradients by the scale, in place. Returns a float32 scalar on the device: 1 if any of them
  /// is not finite and the step must be skipped, else 0. It is valid until the next call.
  const at::Tensor& unscale(const TrainedParameters& parameters);

  /// Adjusts the scale according to the result of the last `unscale`.
  void update();

  /// The scale on the device, and on the host.
  const at::Tensor& scale_on_device() const { return scale_; }
  double current_scale() const;

  /// "scale" and "growth_tracker".
  NamedTensors state() const;
  /// Restores a saved state. Throws UserError if names or shapes do not match.
  void load_state(const NamedTensors& state);

 private:
  LossScalerOptions options_;
  at::Tensor scale_;
  at::Tensor growth_tracker_;
  at::Tensor found_inf_;
};

}  // namespace cloob

#include <ATen/core/Tensor.h>

#include "run/untold_settings.h"

namespace cloob {

// From SLIP's models.py, which builds the image tower by timm, and from its evaluation and tokenizer.
UntoldSettings slip_settings(const NamedTensors& weights) {
  UntoldSettings settings{.origin = "SLIP's code",
                          .activation = Activation::quick_gelu,
                          .image_activation = Activation::gelu,
                          .image_norm_eps = 1e-6};
  // Its ViT-S has the 12 heads of ViT-B, as in MoCo v3.
  constexpr std::int64_t kSmallWidth = 384, kSmallHeadWidth = 32;
  const auto projection = weights.find("visual.proj");
  const bool is_small = projection != weights.end() && projection->second.dim() == 2 &&
                        projection->second.size(0) == kSmallWidth;
  if (is_small) settings.heads.image_width = kSmallHeadWidth;
  settings.image.mean = {0.485, 0.456, 0.406};
  settings.image.std = {0.229, 0.224, 0.225};
  settings.image.interpolation = Interpolation::bilinear;
  settings.text.truncation = Truncation::cut;
  return settings;
}

}  // namespace cloob

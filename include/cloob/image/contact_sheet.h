// A page of training pictures with their captions, to see with one look what a model is fed.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>

#include "cloob/image/image.h"
#include "cloob/image/image_config.h"

namespace cloob {

/// Draws up to `max_images` of `images_BCHW` (float, normalised by the means and deviations of `config`) in a
/// grid, each with its caption wrapped below. Captions are drawn in ASCII; every other character shows as
/// '?'.
ImageU8 contact_sheet(const at::Tensor& images_BCHW, std::span<const std::string> captions,
                      const ImageConfig& config, int max_images);

}  // namespace cloob

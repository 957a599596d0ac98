// A page of training images with their captions, to see at a glance what the model is trained on.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>

#include "cloob/image/image.h"
#include "cloob/image/image_config.h"

namespace cloob {

/// Draws up to `max_images` of `images_BCHW` (float, normalised by the mean and std of `config`) in a grid,
/// each with its wrapped caption below, in any script. Without `columns` the page is a bit wider than high. Throws UserError
/// if the fonts are missing.
ImageU8 contact_sheet(const at::Tensor& images_BCHW, std::span<const std::string> captions,
                      const ImageConfig& config, int max_images, int columns = 0);

}  // namespace cloob

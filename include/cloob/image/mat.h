// Images as OpenCV matrices.
#pragma once

#include <opencv2/core.hpp>

#include "cloob/image/image.h"

namespace cloob {

/// A view of the image's pixels, in RGB order, for drawing.
cv::Mat as_mat(ImageU8& image);

}  // namespace cloob

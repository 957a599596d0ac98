// Our pictures as OpenCV sees them.
#pragma once

#include <opencv2/core.hpp>

#include "cloob/image/image.h"

namespace cloob {

/// A view of the picture's own pixels, in RGB order, to draw on.
cv::Mat as_mat(ImageU8& image);

}  // namespace cloob

// Between our pictures (RGB) and OpenCV's (BGR).
#pragma once

#include <opencv2/core.hpp>

#include "cloob/image/image.h"

namespace cloob {

ImageU8 from_bgr(const cv::Mat& bgr);
cv::Mat to_bgr(const ImageU8& image);

/// A view of the picture's own pixels, in RGB order, to draw on.
cv::Mat as_mat(ImageU8& image);

}  // namespace cloob

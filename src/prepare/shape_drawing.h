// Draws one shape on a background.
#pragma once

#include <array>
#include <opencv2/core.hpp>
#include <string_view>
#include <vector>

#include "cloob/base/random.h"

namespace cloob {

inline constexpr std::array<std::string_view, 8> kShapeNames{"circle", "square", "triangle", "star",
                                                             "cross",  "heart",  "ring",     "crescent"};
inline constexpr std::array<std::string_view, 4> kBackgroundNames{"plain", "striped", "dotted", "shaded"};

/// Closed outlines of a shape around the origin; all shapes have about the same area. More than one outline
/// leaves a hole. The largest coordinate is near 1.
std::vector<std::vector<cv::Point2d>> shape_outlines(std::size_t shape);

/// A square of `side` pixels; `tone` is its gray level (0..255), everything else is random.
cv::Mat draw_background(std::size_t background, int side, double tone, RandomStream& stream);

struct ShapePlacement {
  cv::Point2d center;  ///< in pixels
  double radius;       ///< in pixels
  double degrees;
};

/// Fills the shape with anti-aliasing.
void draw_shape(cv::Mat& canvas, std::size_t shape, const ShapePlacement& placement, const cv::Scalar& color);

}  // namespace cloob

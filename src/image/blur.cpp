#include "cloob/image/blur.h"

#include <cmath>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/image/mat.h"

namespace cloob {
namespace {

// All outer taps together change a pixel by less than 1e-5 levels; with small sigmas they are most of the work.
constexpr double kNegligible = 1e-9;

// The kernel along one axis: normalised over all taps, without the negligible ones.
std::vector<float> blur_kernel(double sigma) {
  constexpr int kRadius = kBlurTaps / 2;
  const auto density = [sigma](int distance) {
    const double deviations = distance / sigma;
    return std::exp(-0.5 * deviations * deviations);
  };
  double sum = 0.0;
  for (int x = -kRadius; x <= kRadius; ++x) sum += density(x);
  int radius = kRadius;
  while (radius > 0 && density(radius) / sum < kNegligible) --radius;
  std::vector<float> kernel;
  for (int x = -radius; x <= radius; ++x) kernel.push_back(static_cast<float>(density(x) / sum));
  return kernel;
}

}  // namespace

void gaussian_blur(ImageU8& image, double sigma) {
  CLOOB_CHECK(sigma > 0.0, "a blur with sigma {}", sigma);
  CLOOB_CHECK(image.channels() == 3, "not an RGB image");
  const std::vector<float> kernel = blur_kernel(sigma);
  if (kernel.size() == 1 || image.pixels.empty()) return;
  cv::Mat pixels = as_mat(image);
  // As floats throughout: of 8-bit pixels, OpenCV would round the kernel to 1/256.
  cv::Mat levels;
  pixels.convertTo(levels, CV_32F);
  cv::sepFilter2D(levels, levels, CV_32F, kernel, kernel, {-1, -1}, 0.0, cv::BORDER_REFLECT_101);
  levels.convertTo(pixels, CV_8U);
}

}  // namespace cloob

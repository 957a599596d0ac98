#include "cloob/image/encode.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "cloob/base/error.h"
#include "cloob/image/mat.h"

namespace cloob {
namespace {

std::string encode(const ImageU8& image, const std::string& suffix, const std::vector<int>& settings) {
  CLOOB_CHECK(image.mode == PixelMode::rgb && image.height > 0 && image.width > 0, "not an RGB image");
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.pixels.data()));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<unsigned char> bytes;
  CLOOB_CHECK(cv::imencode(suffix, bgr, bytes, settings), "cannot encode {}", suffix);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

cv::Mat as_mat(ImageU8& image) { return cv::Mat(image.height, image.width, CV_8UC3, image.pixels.data()); }

std::string encode_png(const ImageU8& image) { return encode(image, ".png", {}); }

std::string encode_jpeg(const ImageU8& image, int quality) {
  return encode(image, ".jpg", {cv::IMWRITE_JPEG_QUALITY, quality});
}

}  // namespace cloob

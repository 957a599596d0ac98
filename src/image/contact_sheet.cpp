#include "cloob/image/contact_sheet.h"

#include <ATen/TensorOperators.h>
#include <ATen/ceil_div.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "cloob/base/error.h"
#include "cloob/image/mat.h"
#include "image/text_painter.h"

namespace cloob {
namespace {

constexpr int kImage = 168;  // side of an image on the sheet
constexpr int kGap = 14;     // around images
constexpr int kMaxLines = 4;
constexpr int kMaxLetters = kImage;  // of a line: more than fit
constexpr int kLineHeight = TextPainter::kLineHeight;
const cv::Scalar kPaper(250, 249, 247);
constexpr std::array<std::uint8_t, 3> kInk{45, 48, 54};
const cv::Scalar kFrame(205, 207, 212);

// Breaks at spaces, and inside words that are wider than a line, as those of scripts without spaces are. Text that
// does not fit is truncated with "...".
std::vector<std::u32string> wrap(const TextPainter& painter, std::u32string_view text) {
  const auto fits = [&](const std::u32string& line) { return painter.width(line) <= kImage; };
  std::vector<std::u32string> lines(1);
  for (std::size_t begin = 0; begin < text.size() && lines.size() <= kMaxLines;) {
    const std::size_t end = std::min(text.find(U' ', begin), text.size());
    const std::u32string_view word = text.substr(begin, end - begin);
    begin = end + 1;
    if (word.empty()) continue;
    if (!lines.back().empty()) {
      std::u32string longer = lines.back() + U' ';
      longer += word.substr(0, kMaxLetters);
      if (fits(longer)) {
        lines.back() += U' ';
      } else {
        lines.emplace_back();
      }
    }
    for (const char32_t letter : word.substr(0, kMaxLines * kMaxLetters)) {
      if (!fits(lines.back() + letter)) lines.emplace_back();
      lines.back() += letter;
    }
  }
  if (lines.size() > kMaxLines) {
    lines.resize(kMaxLines);
    std::u32string& last = lines.back();
    while (!last.empty() && !fits(last + U"...")) last.pop_back();
    last += U"...";
  }
  return lines;
}

// Normalised CHW floats back to pixels.
ImageU8 denormalize(const at::Tensor& image_CHW, const ImageConfig& config) {
  const auto channel_values = [](const std::vector<double>& values) {
    return at::tensor(at::ArrayRef<double>(values), at::kFloat).view({3, 1, 1});
  };
  const at::Tensor levels =
      (image_CHW.to(at::kCPU, at::kFloat) * channel_values(config.std) + channel_values(config.mean)) * 255;
  const at::Tensor bytes_HWC = levels.round().clamp(0, 255).to(at::kByte).permute({1, 2, 0}).contiguous();
  ImageU8 image =
      make_image({static_cast<int>(bytes_HWC.size(0)), static_cast<int>(bytes_HWC.size(1))}, PixelMode::rgb);
  std::copy_n(bytes_HWC.data_ptr<std::uint8_t>(), image.pixels.size(), image.pixels.data());
  return image;
}

void draw_image(cv::Mat& sheet, ImageU8 image, const cv::Rect& rect) {
  // Small images are enlarged without smoothing; larger ones are downscaled by area.
  const bool enlarged = image.width < rect.width;
  cv::Mat scaled;
  cv::resize(as_mat(image), scaled, rect.size(), 0, 0, enlarged ? cv::INTER_NEAREST : cv::INTER_AREA);
  scaled.copyTo(sheet(rect));
  cv::rectangle(sheet, rect, kFrame, 1);
}

}  // namespace

ImageU8 contact_sheet(const at::Tensor& images_BCHW, std::span<const std::string> captions,
                      const ImageConfig& config, int max_images, int columns) {
  CLOOB_CHECK(images_BCHW.dim() == 4 && images_BCHW.size(1) == 3, "images of {} dimensions",
              images_BCHW.dim());
  CLOOB_CHECK(captions.size() == static_cast<std::size_t>(images_BCHW.size(0)), "{} captions",
              captions.size());
  const int num_images = std::min(max_images, static_cast<int>(images_BCHW.size(0)));
  CLOOB_CHECK(num_images >= 1, "a contact sheet without images");
  // Captions make cells tall, so there are more columns than rows; then only as many columns as this number
  // of rows needs.
  if (columns == 0) {
    const int max_columns = static_cast<int>(std::ceil(std::sqrt(1.5 * num_images)));
    columns = at::ceil_div(num_images, at::ceil_div(num_images, max_columns));
  }
  const int rows = at::ceil_div(num_images, columns);

  const TextPainter painter;
  std::vector<std::vector<std::u32string>> wrapped;
  std::size_t max_lines = 1;
  for (int i = 0; i < num_images; ++i) {
    wrapped.push_back(wrap(painter, drawable_text(captions[static_cast<std::size_t>(i)])));
    max_lines = std::max(max_lines, wrapped.back().size());
  }
  const int cell_width = kImage + kGap;
  const int cell_height = kImage + kGap + kLineHeight * static_cast<int>(max_lines) + kGap / 2;
  ImageU8 out = make_image({rows * cell_height + kGap, columns * cell_width + kGap}, PixelMode::rgb);
  cv::Mat sheet = as_mat(out);
  sheet.setTo(kPaper);
  for (int i = 0; i < num_images; ++i) {
    const cv::Rect rect(kGap + i % columns * cell_width, kGap + i / columns * cell_height, kImage, kImage);
    draw_image(sheet, denormalize(images_BCHW[i], config), rect);
    int baseline = rect.y + kImage + kGap / 4 + TextPainter::kAscent;
    for (const std::u32string& line : wrapped[static_cast<std::size_t>(i)]) {
      painter.draw(out, rect.x, baseline, line, kInk);
      baseline += kLineHeight;
    }
  }
  return out;
}

}  // namespace cloob

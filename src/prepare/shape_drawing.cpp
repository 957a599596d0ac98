#include "prepare/shape_drawing.h"

#include <cmath>
#include <numbers>
#include <opencv2/imgproc.hpp>

namespace cloob {
namespace {

using Outline = std::vector<cv::Point2d>;

constexpr double kTurn = 2.0 * std::numbers::pi;

cv::Point2d on_circle(double radius, double turns) {
  return {radius * std::sin(kTurn * turns), -radius * std::cos(kTurn * turns)};
}

Outline circle(double radius) {
  constexpr int kCorners = 72;
  Outline outline;
  for (int i = 0; i < kCorners; ++i) outline.push_back(on_circle(radius, i / static_cast<double>(kCorners)));
  return outline;
}

Outline star() {
  Outline outline;
  for (int i = 0; i < 10; ++i) outline.push_back(on_circle(i % 2 == 0 ? 1.1 : 0.46, i / 10.0));
  return outline;
}

Outline cross() {
  constexpr double kLong = 0.98;
  constexpr double kShort = 0.32;
  return {{-kShort, -kLong}, {kShort, -kLong}, {kShort, -kShort}, {kLong, -kShort},
          {kLong, kShort},   {kShort, kShort}, {kShort, kLong},   {-kShort, kLong},
          {-kShort, kShort}, {-kLong, kShort}, {-kLong, -kShort}, {-kShort, -kShort}};
}

Outline heart() {
  constexpr int kCorners = 72;
  Outline outline;
  for (int i = 0; i < kCorners; ++i) {
    const double t = kTurn * i / kCorners;
    const double x = 16.0 * std::pow(std::sin(t), 3.0);
    const double y =
        13.0 * std::cos(t) - 5.0 * std::cos(2.0 * t) - 2.0 * std::cos(3.0 * t) - std::cos(4.0 * t);
    outline.emplace_back(x / 16.5, -(y + 2.5) / 16.5);
  }
  return outline;
}

// Along the outer circle from tip to tip, and back along a circle that is shifted to the right.
Outline crescent() {
  constexpr int kSteps = 40;
  constexpr double kInner = 0.82;
  constexpr double kShift = 0.5;
  const double tip_x = (1.0 - kInner * kInner + kShift * kShift) / (2.0 * kShift);
  const double outer_tip = std::acos(tip_x);
  const double inner_tip = std::acos((tip_x - kShift) / kInner);
  Outline outline;
  for (int i = 0; i <= kSteps; ++i) {
    const double angle = outer_tip + (kTurn - 2.0 * outer_tip) * i / kSteps;
    outline.emplace_back(std::cos(angle), std::sin(angle));
  }
  for (int i = kSteps - 1; i > 0; --i) {
    const double angle = inner_tip + (kTurn - 2.0 * inner_tip) * i / kSteps;
    outline.emplace_back(kShift + kInner * std::cos(angle), kInner * std::sin(angle));
  }
  for (cv::Point2d& corner : outline) corner = {corner.x * 1.05 + 0.2, corner.y * 1.05};
  return outline;
}

cv::Scalar gray(double level) { return cv::Scalar::all(std::clamp(level, 0.0, 255.0)); }

void draw_stripes(cv::Mat& canvas, double other_tone, RandomStream& stream) {
  const double side = canvas.cols;
  const double period = side * stream.uniform(0.14, 0.24);
  const cv::Point2d direction = on_circle(1.0, stream.uniform());
  const cv::Point2d along(-direction.y, direction.x);
  const cv::Point2d middle(side / 2, side / 2);
  const double phase = stream.uniform() * period;
  for (double offset = -side + phase; offset < side; offset += period) {
    const cv::Point2d on_line = middle + offset * direction;
    cv::line(canvas, on_line - 2 * side * along, on_line + 2 * side * along, gray(other_tone),
             static_cast<int>(period * 0.45), cv::LINE_AA);
  }
}

void draw_dots(cv::Mat& canvas, double other_tone, RandomStream& stream) {
  const double period = canvas.cols * stream.uniform(0.13, 0.2);
  const double phase_x = stream.uniform() * period;
  const double phase_y = stream.uniform() * period;
  for (double y = phase_y - period; y < canvas.rows + period; y += period) {
    for (double x = phase_x - period; x < canvas.cols + period; x += period) {
      cv::circle(canvas, cv::Point2d(x, y), static_cast<int>(period * 0.25), gray(other_tone), cv::FILLED,
                 cv::LINE_AA);
    }
  }
}

void draw_shading(cv::Mat& canvas, double tone, double other_tone, RandomStream& stream) {
  const cv::Point2d direction = on_circle(1.0, stream.uniform());
  for (int y = 0; y < canvas.rows; ++y) {
    for (int x = 0; x < canvas.cols; ++x) {
      const double position = (x * direction.x + y * direction.y) / canvas.cols;
      const double fraction = 0.5 + 0.5 * std::sin(std::numbers::pi * position);
      const double level = tone + (other_tone - tone) * fraction;
      canvas.at<cv::Vec3b>(y, x) = cv::Vec3b::all(cv::saturate_cast<std::uint8_t>(level));
    }
  }
}

}  // namespace

std::vector<Outline> shape_outlines(std::size_t shape) {
  switch (shape) {
    case 0:
      return {circle(0.92)};
    case 1:
      return {{{-0.82, -0.82}, {0.82, -0.82}, {0.82, 0.82}, {-0.82, 0.82}}};
    case 2:
      return {{on_circle(1.15, 0.0), on_circle(1.15, 1.0 / 3.0), on_circle(1.15, 2.0 / 3.0)}};
    case 3:
      return {star()};
    case 4:
      return {cross()};
    case 5:
      return {heart()};
    case 6:
      return {circle(1.0), circle(0.52)};
    default:
      return {crescent()};
  }
}

cv::Mat draw_background(std::size_t background, int side, double tone, RandomStream& stream) {
  cv::Mat canvas(side, side, CV_8UC3, gray(tone));
  const double contrast = stream.uniform(28.0, 48.0);
  const double other_tone = tone < 128.0 ? tone + contrast : tone - contrast;
  if (background == 1) draw_stripes(canvas, other_tone, stream);
  if (background == 2) draw_dots(canvas, other_tone, stream);
  if (background == 3) draw_shading(canvas, tone, tone < 128.0 ? tone + 70.0 : tone - 70.0, stream);
  return canvas;
}

void draw_shape(cv::Mat& canvas, std::size_t shape, const ShapePlacement& placement,
                const cv::Scalar& color) {
  constexpr int kFractionBits = 8;
  const double radians = placement.degrees * std::numbers::pi / 180.0;
  std::vector<std::vector<cv::Point>> polygons;
  for (const Outline& outline : shape_outlines(shape)) {
    std::vector<cv::Point>& polygon = polygons.emplace_back();
    for (const cv::Point2d& corner : outline) {
      const double x = corner.x * std::cos(radians) - corner.y * std::sin(radians);
      const double y = corner.x * std::sin(radians) + corner.y * std::cos(radians);
      const cv::Point2d place = placement.center + placement.radius * cv::Point2d(x, y);
      polygon.emplace_back(static_cast<int>(std::lround(place.x * (1 << kFractionBits))),
                           static_cast<int>(std::lround(place.y * (1 << kFractionBits))));
    }
  }
  cv::fillPoly(canvas, polygons, color, cv::LINE_AA, kFractionBits);
}

}  // namespace cloob

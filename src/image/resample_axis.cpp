#include "image/resample_axis.h"

#include <algorithm>
#include <cmath>

namespace cloob {
namespace {

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

// Keys' cubic convolution kernel with a = -1/2.
double cubic(double x) {
  x = std::abs(x);
  if (x < 1.0) return (1.5 * x - 2.5) * x * x + 1.0;
  if (x < 2.0) return -0.5 * (((x - 5.0) * x + 8.0) * x - 4.0);
  return 0.0;
}

std::int32_t to_fixed_point(double weight) {
  return static_cast<std::int32_t>(std::copysign(0.5, weight) + weight * (1 << kWeightBits));
}

}  // namespace

AxisWeights axis_weights(int in_size, int out_size, int begin, int num_outputs, ResampleFilter filter) {
  return axis_weights({in_size, 0.0, static_cast<double>(in_size)}, out_size, begin, num_outputs, filter);
}

AxisWeights axis_weights(const AxisPart& source, int out_size, int begin, int num_outputs,
                         ResampleFilter filter) {
  const auto kernel = filter == ResampleFilter::bicubic ? cubic : triangle;
  const double scale = source.length / out_size;
  const double stretch = std::max(scale, 1.0);  // antialiasing: downscaling widens the kernel
  const double support = stretch * (filter == ResampleFilter::bicubic ? 2.0 : 1.0);
  AxisWeights axis;
  axis.num_taps = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  axis.first.reserve(static_cast<std::size_t>(num_outputs));
  axis.count.reserve(static_cast<std::size_t>(num_outputs));
  axis.weight.assign(static_cast<std::size_t>(num_outputs) * axis.num_taps, 0);
  std::vector<double> window(axis.num_taps);
  for (int output = 0; output < num_outputs; ++output) {
    const double center = source.begin + (begin + output + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int end = std::min(source.size, static_cast<int>(center + support + 0.5));
    const auto count = static_cast<std::size_t>(end - first);
    double sum = 0.0;
    for (std::size_t tap = 0; tap < count; ++tap) {
      window[tap] = kernel((first + static_cast<int>(tap) - center + 0.5) * (1.0 / stretch));
      sum += window[tap];
    }
    std::int32_t* weight = axis.weight.data() + static_cast<std::size_t>(output) * window.size();
    for (std::size_t tap = 0; tap < count; ++tap) weight[tap] = to_fixed_point(window[tap] / sum);
    axis.first.push_back(first);
    axis.count.push_back(end - first);
  }
  return axis;
}

AxisWeights reversed(AxisWeights axis) {
  std::ranges::reverse(axis.first);
  std::ranges::reverse(axis.count);
  std::ranges::reverse(axis.weight);
  // This also reversed the taps of each output: restore their order.
  for (auto taps = axis.weight.begin(); taps != axis.weight.end();) {
    const auto end = taps + static_cast<std::ptrdiff_t>(axis.num_taps);
    std::reverse(taps, end);
    taps = end;
  }
  return axis;
}

std::vector<int> nearest_sources(int in_size, int out_size, int begin, int num_outputs) {
  const double scale = static_cast<double>(in_size) / out_size;
  std::vector<int> sources;
  sources.reserve(static_cast<std::size_t>(num_outputs));
  // Pillow accumulates the step, so rounding depends on all previous positions: start at the first pixel.
  double position = 0.5 * scale;
  for (int output = 0; output < begin + num_outputs; ++output, position += scale) {
    if (output >= begin) sources.push_back(std::min(static_cast<int>(position), in_size - 1));
  }
  return sources;
}

}  // namespace cloob

#include "cloob/image/color.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "cloob/base/error.h"
#include "image/pixel_modes.h"

namespace cloob {
namespace {

// from + factor (to - from) in single precision, clamped to 0..255 and truncated, as Pillow's blend does.
std::uint8_t blend(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.0f));
}

// Blends every channel with one grey level.
void blend_with_level(ImageU8& image, int level, double factor) {
  std::array<std::uint8_t, 256> table;
  for (int value = 0; value < 256; ++value) {
    table[static_cast<std::size_t>(value)] = blend(level, value, static_cast<float>(factor));
  }
  for (std::uint8_t& value : image.pixels) value = table[value];
}

template <class Change>
void for_each_pixel(ImageU8& image, Change change) {
  CLOOB_CHECK(image.channels() == 3, "not an RGB image");
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) change(image.pixels.data() + i);
}

struct Hsv {
  std::uint8_t hue, saturation, value;  ///< 255 is the full circle, full saturation, full brightness
};

Hsv to_hsv(const std::uint8_t* rgb) {
  const auto [r, g, b] = std::array<int, 3>{rgb[0], rgb[1], rgb[2]};
  const int max_level = std::max({r, g, b});
  const int range = max_level - std::min({r, g, b});
  if (range == 0) return {0, 0, static_cast<std::uint8_t>(max_level)};
  const auto distance = [&](int channel) {
    return static_cast<float>(max_level - channel) / static_cast<float>(range);
  };
  float sector;  // in sixths of the circle
  if (r == max_level) {
    sector = distance(b) - distance(g);
  } else if (g == max_level) {
    sector = static_cast<float>(2.0 + static_cast<double>(distance(r)) - static_cast<double>(distance(b)));
  } else {
    sector = static_cast<float>(4.0 + static_cast<double>(distance(g)) - static_cast<double>(distance(r)));
  }
  const auto turn = static_cast<float>(std::fmod(static_cast<double>(sector) / 6.0 + 1.0, 1.0));
  const float saturation = static_cast<float>(range) / static_cast<float>(max_level);
  const auto to_byte = [](float fraction) {
    return static_cast<std::uint8_t>(static_cast<double>(fraction) * 255.0);
  };
  return {to_byte(turn), to_byte(saturation), static_cast<std::uint8_t>(max_level)};
}

void to_rgb_pixel(const Hsv& hsv, std::uint8_t* rgb) {
  const auto value = static_cast<double>(hsv.value);
  const double position = hsv.hue * 6.0 / 255.0;
  const int sector = static_cast<int>(position);
  const auto fraction = static_cast<double>(static_cast<float>(position - sector));
  const auto saturation = static_cast<double>(static_cast<float>(hsv.saturation / 255.0));
  const auto level = [&](double weight) {
    return static_cast<std::uint8_t>(std::round(value * (1.0 - saturation * weight)));
  };
  const std::uint8_t high = hsv.value;
  const std::uint8_t low = level(1.0);
  const std::uint8_t falling = level(fraction);
  const std::uint8_t rising = level(1.0 - fraction);
  const std::array<std::array<std::uint8_t, 3>, 6> sectors{{{high, rising, low},
                                                            {falling, high, low},
                                                            {low, high, rising},
                                                            {low, falling, high},
                                                            {rising, low, high},
                                                            {high, low, falling}}};
  std::ranges::copy(sectors[static_cast<std::size_t>(sector % 6)], rgb);
}

}  // namespace

void adjust_brightness(ImageU8& image, double factor) { blend_with_level(image, 0, factor); }

void adjust_contrast(ImageU8& image, double factor) {
  if (image.pixels.empty()) return;
  std::uint64_t sum = 0;
  for_each_pixel(image, [&](const std::uint8_t* rgb) { sum += luma(rgb); });
  const double mean = static_cast<double>(sum) / static_cast<double>(image.pixels.size() / 3);
  blend_with_level(image, static_cast<int>(mean + 0.5), factor);
}

void adjust_saturation(ImageU8& image, double factor) {
  for_each_pixel(image, [&](std::uint8_t* rgb) {
    const int grey = luma(rgb);
    for (int c = 0; c < 3; ++c) rgb[c] = blend(grey, rgb[c], static_cast<float>(factor));
  });
}

void adjust_hue(ImageU8& image, double shift) {
  CLOOB_CHECK(shift >= -0.5 && shift <= 0.5, "a hue shift of {}", shift);
  const auto steps =
      static_cast<std::uint8_t>(static_cast<int>(shift * 255.0));  // wraps around like the circle
  for_each_pixel(image, [&](std::uint8_t* rgb) {
    Hsv hsv = to_hsv(rgb);
    hsv.hue = static_cast<std::uint8_t>(hsv.hue + steps);
    to_rgb_pixel(hsv, rgb);
  });
}

void to_grayscale(ImageU8& image) {
  for_each_pixel(image, [](std::uint8_t* rgb) { std::fill_n(rgb, 3, luma(rgb)); });
}

ColorJitter draw_color_jitter(const std::array<double, 4>& strengths, RandomStream& stream) {
  ColorJitter jitter;
  jitter.order = {ColorOperation::brightness, ColorOperation::contrast, ColorOperation::saturation,
                  ColorOperation::hue};
  for (std::size_t i = jitter.order.size(); i > 1; --i)
    std::swap(jitter.order[i - 1], jitter.order[stream.below(i)]);
  for (std::size_t i = 0; i < strengths.size(); ++i) {
    const bool is_hue = i == static_cast<std::size_t>(ColorOperation::hue);
    const double strength = strengths[i];
    jitter.enabled[i] = strength > 0.0;
    jitter.factors[i] = is_hue ? stream.uniform(-strength, strength)
                               : stream.uniform(std::max(0.0, 1.0 - strength), 1.0 + strength);
  }
  return jitter;
}

void apply_color_jitter(ImageU8& image, const ColorJitter& jitter) {
  constexpr std::array kAdjust{adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue};
  for (const ColorOperation operation : jitter.order) {
    const auto i = static_cast<std::size_t>(operation);
    if (jitter.enabled[i]) kAdjust[i](image, jitter.factors[i]);
  }
}

}  // namespace cloob

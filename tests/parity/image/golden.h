// Image files and expected pixels of tests/golden/image (tools/goldens/make_image.py).
#pragma once

#include <ATen/ATen.h>

#include <span>
#include <string>

#include "cloob/base/files.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/image/decode.h"
#include "support/support.h"

namespace cloob::testing {

inline std::string golden_file(const std::string& name) { return read_file(golden_path("image/" + name)); }

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline ImageU8 golden_image(const std::string& name, bool as_stored) {
  const std::string file = golden_file(name);
  return as_stored ? decode_image_as_stored(as_bytes(file)) : decode_image(as_bytes(file));
}

inline NamedTensors golden_tensors(const std::string& name) {
  return read_safetensors(golden_path("image/" + name)).tensors;
}

/// Maximum difference in levels; a test failure when the shapes differ.
inline double level_difference(const ImageU8& actual, const at::Tensor& expected_HWC) {
  EXPECT_EQ(expected_HWC.sizes(), (at::IntArrayRef{actual.height, actual.width, 3}));
  if (expected_HWC.numel() != static_cast<std::int64_t>(actual.pixels.size())) return INFINITY;
  const at::Tensor pixels =
      at::from_blob(const_cast<std::uint8_t*>(actual.pixels.data()), expected_HWC.sizes(), at::kByte);
  return (pixels.to(at::kInt) - expected_HWC.to(at::kInt)).abs().max().item<double>();
}

}  // namespace cloob::testing

#include <ATen/ATen.h>

#include "cloob/checkpoint/safetensors.h"
#include "model/position_resampling.h"
#include "support/support.h"

namespace cloob {
namespace {

TEST(PositionResampling, EqualsOpenClips) {
  const NamedTensors golden = read_safetensors(testing::golden_path("model/positions.safetensors")).tensors;
  for (const std::int64_t grid_size : {2, 5}) {
    testing::expect_close(resample_image_positions(golden.at("image"), grid_size),
                          golden.at("image_grid_" + std::to_string(grid_size)), 1e-6, 1e-6);
  }
  for (const std::int64_t length : {7, 16}) {
    testing::expect_close(resample_text_positions(golden.at("text"), length),
                          golden.at("text_length_" + std::to_string(length)), 1e-6, 1e-6);
  }
}

TEST(PositionResampling, LeavesTablesOfTheRightSizeUnchanged) {
  const NamedTensors golden = read_safetensors(testing::golden_path("model/positions.safetensors")).tensors;
  EXPECT_TRUE(resample_image_positions(golden.at("image"), 3).is_same(golden.at("image")));
  EXPECT_TRUE(resample_text_positions(golden.at("text"), 10).is_same(golden.at("text")));
}

}  // namespace
}  // namespace cloob

// Parity of crops, evaluation transforms and colour adjustments with torchvision and open_clip on Pillow
// images.
#include <nlohmann/json.hpp>

#include "cloob/image/blur.h"
#include "cloob/image/color.h"
#include "cloob/image/crop.h"
#include "cloob/image/resize.h"
#include "cloob/image/transform.h"
#include "parity/image/golden.h"

namespace cloob {
namespace {

using nlohmann::json;
using testing::golden_image;
using testing::level_difference;

template <class E>
E enum_value(const std::string& name) {
  for (const auto& [candidate, value] : EnumNames<E>::names) {
    if (candidate == name) return value;
  }
  throw std::invalid_argument(name);
}

ResampleFilter filter_of(const json& test) {
  return test["interpolation"] == "bilinear" ? ResampleFilter::bilinear : ResampleFilter::bicubic;
}

class PreprocessParity : public ::testing::Test {
 protected:
  const json cases = json::parse(testing::golden_file("cases.json"));
  const NamedTensors expected = testing::golden_tensors("preprocessed.safetensors");
};

TEST_F(PreprocessParity, EvaluationEqualsOpenClipBitForBit) {
  for (const json& test : cases["eval"]) {
    ImageConfig config;
    config.resize_mode = enum_value<ResizeMode>(test["resize_mode"]);
    config.interpolation = enum_value<Interpolation>(test["interpolation"]);
    config.fill_color = test["fill_color"];
    const EvalTransform transform(config, test["size"].get<std::int64_t>());
    at::Tensor chw = at::full({3, transform.image_size(), transform.image_size()}, NAN);
    RandomStream unused(RandomUse::augmentation, {});
    transform(golden_image(test["file"], test["resize_before_rgb"]), unused,
              {chw.data_ptr<float>(), transform.num_floats()});
    const double difference = (chw - expected.at(test["expected"])).abs().max().item<double>();
    EXPECT_EQ(difference, 0.0) << test.dump();
  }
}

TEST_F(PreprocessParity, ResizedCropsEqualTorchvision) {
  for (const json& test : cases["crop"]) {
    const ImageU8 image = golden_image(test["file"], test["resize_before_rgb"]);
    const int size = test["size"];
    ResizePlan plan = resize_whole(image.size(), {size, size}, filter_of(test));
    plan.crop = {test["box"][0], test["box"][1], test["box"][2], test["box"][3]};
    EXPECT_EQ(level_difference(resize(image, plan), expected.at(test["expected"])), 0.0) << test.dump();
  }
}

TEST_F(PreprocessParity, ColorAdjustmentsEqualTorchvision) {
  const ImageU8 image = golden_image("source_colors.png", /*as_stored=*/false);
  const std::map<std::string, void (*)(ImageU8&, double)> adjust = {{"brightness", adjust_brightness},
                                                                    {"contrast", adjust_contrast},
                                                                    {"saturation", adjust_saturation},
                                                                    {"hue", adjust_hue}};
  for (const json& test : cases["jitter"]) {
    ImageU8 changed = image;
    for (const json& operation : test["operations"]) adjust.at(operation[0])(changed, operation[1]);
    EXPECT_EQ(level_difference(changed, expected.at(test["expected"])), 0.0) << test.dump();
  }
  ImageU8 grey = image;
  to_grayscale(grey);
  EXPECT_EQ(level_difference(grey, expected.at("grey")), 0.0);
}

ImageU8 upper_left(const ImageU8& image, int width, int height) {
  ResizePlan plan = resize_whole(image.size(), {height, width}, ResampleFilter::bicubic);
  plan.crop = {0, 0, width, height};
  return resize(image, plan);
}

// Rounding may differ where a sum of floats, which is added in another order, is next to a half.
TEST_F(PreprocessParity, BlurEqualsTorchvision) {
  const NamedTensors blurred = testing::golden_tensors("blurred.safetensors");
  std::int64_t differing = 0, values = 0;
  for (const json& test : cases["blur"]) {
    ImageU8 image =
        upper_left(golden_image(test["file"], /*as_stored=*/false), test["width"], test["height"]);
    gaussian_blur(image, test["sigma"]);
    const at::Tensor expected_HWC = blurred.at(test["expected"]);
    EXPECT_LE(level_difference(image, expected_HWC), 1.0) << test.dump();
    const auto* level = expected_HWC.data_ptr<std::uint8_t>();
    for (const std::uint8_t value : image.pixels) differing += value != *level++;
    values += expected_HWC.numel();
  }
  EXPECT_GT(values, 20'000);
  EXPECT_LE(differing, values / 2000);
}

TEST_F(PreprocessParity, RandomBoxesEqualTorchvision) {
  for (const json& test : cases["crop_boxes"]) {
    const CropRanges ranges{test["scale"][0], test["scale"][1], test["ratio"][0], test["ratio"][1]};
    std::size_t used = 0;
    const PixelBox box = random_resized_crop_box({test["height"], test["width"]}, ranges,
                                                 [&] { return test["uniforms"].at(used++).get<double>(); });
    const PixelBox torchvision{test["box"][0], test["box"][1], test["box"][2], test["box"][3]};
    EXPECT_EQ(box, torchvision) << test.dump();
    EXPECT_EQ(used, test["uniforms"].size()) << test.dump();
  }
}

}  // namespace
}  // namespace cloob

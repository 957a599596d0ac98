// From files and captions to features, with a trained model.
//
// Shapes: N images, M texts, D features.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cloob/data/data_config.h"
#include "cloob/data/source.h"
#include "cloob/image/image_config.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/nn/autocast.h"
#include "cloob/report/progress.h"
#include "cloob/text/tokenizer.h"

namespace cloob {

/// How evaluation computes; nothing here changes what is measured but for rounding.
struct EncodeOptions {
  Precision precision = Precision::fp32;
  std::int64_t batch_size = 64;
  DataConfig data;  ///< threads, prefetching, max_bad_share, max_image_pixels
  /// Called after every batch. May throw to give up, when the program is asked to stop.
  std::function<void(const Progress& progress)> report = {};
};

/// Features of the usable images of a source.
struct ImageFeatures {
  at::Tensor features_ND;                          ///< float32 on the CPU, rows of length 1
  std::vector<std::int64_t> indices;               ///< of each row, its number in the source
  std::vector<std::vector<std::string>> captions;  ///< of each row, all there are
};

/// A model together with what turns files and captions into its input.
class FeatureEncoder {
 public:
  /// The model is used as it is at each call, in evaluation mode; it may be trained between calls.
  FeatureEncoder(DualEncoder model, c10::Device device, const ImageConfig& image,
                 std::shared_ptr<const Tokenizer> tokenizer);

  /// Throws UserError when too many images are unusable.
  ImageFeatures encode_images(std::shared_ptr<const Source> source, const EncodeOptions& options) const;
  /// (M, D), float32 on the CPU, rows of length 1.
  at::Tensor encode_texts(std::span<const std::string> texts, const EncodeOptions& options) const;

  /// Another handle of the same model.
  DualEncoder model() const { return model_; }
  c10::Device device() const { return device_; }

 private:
  DualEncoder model_;
  c10::Device device_;
  ImageConfig image_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace cloob

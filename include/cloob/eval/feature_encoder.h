// Encodes image files and captions with a trained model.
//
// Shapes: N images, M texts, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/data/data_config.h"
#include "cloob/data/source.h"
#include "cloob/device/autocast.h"
#include "cloob/image/image_config.h"
#include "cloob/model/feature_model.h"
#include "cloob/report/progress.h"
#include "cloob/text/tokenizer.h"

namespace cloob {

/// How evaluation computes; except for max_samples and rounding this does not affect the results.
struct EncodeOptions {
  Precision precision = Precision::fp32;
  std::int64_t batch_size = 64;
  DataConfig data;  ///< threads, prefetching, max_bad_share and max_image_pixels are used
  /// At most this many images, evenly spaced over the source; unset: all.
  std::optional<std::int64_t> max_samples = std::nullopt;
  /// Called after every batch. May throw to abort, for example when the program is asked to stop.
  std::function<void(const Progress& progress)> report = {};
};

/// Features of the usable images of a source.
struct ImageFeatures {
  at::Tensor features_ND;                          ///< float32 on the CPU, L2-normalized rows
  std::vector<std::int64_t> indices;               ///< for each row, its index in the source
  std::vector<std::vector<std::string>> captions;  ///< for each row, all of its captions
};

/// A model with the preprocessing that turns image files and captions into its inputs.
class FeatureEncoder {
 public:
  /// `model` must outlive this. Without a tokenizer (null), or with one that has more tokens than the model, only images
  /// can be encoded.
  FeatureEncoder(FeatureModel& model, const ImageConfig& image, std::shared_ptr<const Tokenizer> tokenizer);

  /// Throws UserError if texts cannot be encoded. `encode_texts` checks this; call it also before long work on images.
  void require_texts() const;

  /// Throws UserError if too many images are unusable.
  ImageFeatures encode_images(std::shared_ptr<const Source> source, const EncodeOptions& options) const;
  /// (M, D), float32 on the CPU, L2-normalized rows.
  at::Tensor encode_texts(std::span<const std::string> texts, const EncodeOptions& options) const;

  FeatureModel& model() const { return model_; }

 private:
  FeatureModel& model_;
  ImageConfig image_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

/// Throws UserError that names the first row with a NaN or infinite feature. `what` is the kind of a row,
/// such as "image".
void require_finite_features(const at::Tensor& features_ND, std::string_view what);

}  // namespace cloob

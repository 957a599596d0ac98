// Encodes image files and captions with a trained model, on all ranks together.
//
// Shapes: N images, M texts, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/data/data_config.h"
#include "cloob/data/source.h"
#include "cloob/device/autocast.h"
#include "cloob/image/image_config.h"
#include "cloob/model/feature_model.h"
#include "cloob/report/progress.h"
#include "cloob/text/tokenizer.h"

namespace cloob {

class BadSampleCounts;

/// How evaluation computes; except for max_samples and rounding this does not affect the results.
struct EncodeOptions {
  Precision precision = Precision::fp32;
  std::int64_t batch_size = 64;
  DataConfig data;  ///< threads, prefetching, max_bad_share and max_image_pixels are used
  /// At most this many images, evenly spaced over the source; unset: all.
  std::optional<std::int64_t> max_samples = std::nullopt;
  FeatureStages more_stages = {};  ///< of images, besides unit features
  bool texts_are_prompts = false;  ///< see FeatureModel::encode_prompts
  /// Called after every batch, with the progress of all ranks together.
  std::function<void(const Progress& progress)> report = {};
  /// Takes the unusable images of all ranks, out of `num_images`, in place of a judgement by data.max_bad_share.
  std::function<void(const BadSampleCounts& unusable, std::int64_t num_images)> take_unusable = {};
  /// Polled after every batch: if it returns true on any rank, all of them throw EvaluationStopped.
  std::function<bool()> stop_requested = {};
};

/// A stop was requested, see EncodeOptions::stop_requested.
class EvaluationStopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped"; }
};

/// Features of usable images of a source.
struct ImageFeatures {
  ImageFeatureStages features;        ///< float32 on the CPU; unit, and EncodeOptions::more_stages
  std::vector<std::int64_t> indices;  ///< for each row, its index in the source
  std::vector<std::vector<std::string>> captions;  ///< for each row, all of its captions
};

/// A model with the preprocessing that turns image files and captions into its inputs.
///
/// Each rank encodes some of the batches that a single process would encode. The functions with `collectives` are collective
/// operations.
class FeatureEncoder {
 public:
  /// `model` must outlive this. Without a tokenizer (null), or with one that has more tokens than the model, only images
  /// can be encoded.
  FeatureEncoder(FeatureModel& model, const ImageConfig& image, std::shared_ptr<const Tokenizer> tokenizer);

  /// Throws UserError if texts cannot be encoded. `encode_texts` checks this; call it also before long work on images.
  void require_texts() const;

  /// Receives the images of one batch, and the number of its part of the evaluation (see PairFeatures).
  using TakeImages = std::function<void(ImageFeatures batch, std::int64_t part)>;
  /// Encodes this rank's batches, in order; those without a usable image are left out. Throws UserError if too many images are
  /// unusable on all ranks together, or if the ranks do not have the same number of images.
  void encode_images(std::shared_ptr<const Source> source, const EncodeOptions& options,
                     const Collectives& collectives, const TakeImages& take) const;
  /// The same in one process, for the features of all images at once.
  ImageFeatures encode_images(std::shared_ptr<const Source> source, const EncodeOptions& options) const;

  /// Encodes this rank's blocks of texts, none of which may be empty, in batches that do not extend from one block into the next: (M,
  /// D) for each block, float32 on the CPU, L2-normalized rows.
  std::vector<at::Tensor> encode_texts(const std::vector<std::vector<std::string>>& blocks,
                                       const EncodeOptions& options, const Collectives& collectives) const;
  /// The same in one process, for a single block.
  at::Tensor encode_texts(const std::vector<std::string>& texts, const EncodeOptions& options) const;

  FeatureModel& model() const { return model_; }
  /// For the same images and texts, with the towers alone: the same unless features are refined with a memory.
  FeatureEncoder of_towers() const { return {model_.towers(), image_, tokenizer_}; }

 private:
  at::Tensor encode_batch_of_texts(std::span<const std::string> texts, const EncodeOptions& options) const;

  FeatureModel& model_;
  ImageConfig image_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

/// Throws UserError that names the first row with a NaN or infinite feature. `what` is the kind of a row,
/// such as "image".
void require_finite_features(const at::Tensor& features_ND, std::string_view what);
/// The same for the rows of all ranks, of which this one holds `blocks`. A collective operation.
void require_finite_features(const std::vector<at::Tensor>& blocks, std::string_view what,
                             const Collectives& collectives);

}  // namespace cloob

#include "cloob/eval/evaluate.h"

#include <ATen/ops/cat.h>

#include <utility>

#include "cloob/base/error.h"
#include "eval/classes.h"

namespace cloob {
namespace {

// Encoded images of one part, and their captions.
struct ImagePart {
  std::int64_t number = 0;
  std::vector<at::Tensor> features;
  std::vector<std::string> captions;
  std::vector<std::int64_t> image_of_caption;
  std::int64_t num_images = 0;
};

void append(ImagePart& part, const Source& source, ImageFeatures& batch, EvalCaptions which) {
  for (std::size_t row = 0; row < batch.indices.size(); ++row, ++part.num_images) {
    std::vector<std::string>& captions = batch.captions[row];
    if (captions.empty()) {
      throw_user_error("{}: the image has no caption", source.describe(batch.indices[row]));
    }
    if (which == EvalCaptions::first) captions.resize(1);
    for (std::string& caption : captions) {
      part.captions.push_back(std::move(caption));
      part.image_of_caption.push_back(part.num_images);
    }
  }
  part.features.push_back(std::move(batch.features.unit_BD));
}

}  // namespace

std::vector<PairFeatures> encode_pairs(const FeatureEncoder& encoder,
                                       const std::shared_ptr<const Source>& source, EvalCaptions captions,
                                       const EncodeOptions& options, const Collectives& collectives) {
  encoder.require_texts();
  std::vector<ImagePart> parts;
  encoder.encode_images(source, options, collectives, [&](ImageFeatures batch, std::int64_t number) {
    if (parts.empty() || parts.back().number != number) parts.emplace_back().number = number;
    append(parts.back(), *source, batch, captions);
  });
  std::vector<std::vector<std::string>> texts;
  for (ImagePart& part : parts) texts.push_back(std::move(part.captions));
  const std::vector<at::Tensor> text_features = encoder.encode_texts(texts, options, collectives);
  std::vector<PairFeatures> pairs;
  for (ImagePart& part : parts) {
    const at::Tensor& text_MD = text_features[pairs.size()];
    pairs.push_back({at::cat(std::exchange(part.features, {})), text_MD, std::move(part.image_of_caption)});
  }
  return pairs;
}

ZeroShotMetrics evaluate_zero_shot(const FeatureEncoder& encoder,
                                   const std::shared_ptr<const LabeledSource>& source,
                                   const ZeroShotPrompts& prompts, const EncodeOptions& options,
                                   const Collectives& collectives) {
  const at::Tensor classifier_KD = encode_classes(encoder, prompts, options, collectives);
  ZeroShotMeter meter(classifier_KD.size(0));
  encoder.encode_images(source, options, collectives, [&](const ImageFeatures& batch, std::int64_t) {
    std::vector<std::int64_t> labels;
    for (const std::int64_t index : batch.indices) labels.push_back(label_of(*source, index, prompts));
    require_finite_images(batch, *source);
    meter.add_images(batch.features.unit_BD, classifier_KD, labels);
  });
  meter.add_other_ranks(collectives);
  ZeroShotMetrics metrics = meter.metrics();
  if (!prompts.is_seen.empty()) metrics.seen_unseen = meter.seen_unseen(prompts.is_seen);
  return metrics;
}

}  // namespace cloob

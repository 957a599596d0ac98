#include "cloob/eval/evaluate.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"

namespace cloob {
namespace {

// The captions of all images, and the row of its image for each caption.
struct CaptionRows {
  std::vector<std::string> captions;
  std::vector<std::int64_t> image_of_caption;
};

CaptionRows captions_of(const Source& source, ImageFeatures& images, EvalCaptions which) {
  CaptionRows rows;
  for (std::size_t row = 0; row < images.indices.size(); ++row) {
    std::vector<std::string>& captions = images.captions[row];
    if (captions.empty()) {
      throw_user_error("{}: the image has no caption", source.describe(images.indices[row]));
    }
    if (which == EvalCaptions::first) captions.resize(1);
    for (std::string& caption : captions) {
      rows.captions.push_back(std::move(caption));
      rows.image_of_caption.push_back(static_cast<std::int64_t>(row));
    }
  }
  return rows;
}

// The row of each image's first caption.
at::Tensor first_texts(const PairFeatures& pairs) {
  std::vector<std::int64_t> rows;
  for (std::size_t text = 0; text < pairs.image_of_text.size(); ++text) {
    if (text == 0 || pairs.image_of_text[text] != pairs.image_of_text[text - 1]) {
      rows.push_back(static_cast<std::int64_t>(text));
    }
  }
  return at::tensor(rows, at::kLong);
}

}  // namespace

PairFeatures encode_pairs(const FeatureEncoder& encoder, const std::shared_ptr<const Source>& source,
                          EvalCaptions captions, const EncodeOptions& options) {
  encoder.require_texts();
  ImageFeatures images = encoder.encode_images(source, options);
  CaptionRows texts = captions_of(*source, images, captions);
  at::Tensor text_MD = encoder.encode_texts(texts.captions, options);
  return {std::move(images.features_ND), std::move(text_MD), std::move(texts.image_of_caption)};
}

RetrievalMetrics evaluate_retrieval(const PairFeatures& pairs) {
  return retrieval_metrics(pairs.image_ND, pairs.text_MD, pairs.image_of_text);
}

ZeroShotMetrics evaluate_zero_shot(const FeatureEncoder& encoder,
                                   const std::shared_ptr<const LabeledSource>& source,
                                   const ZeroShotPrompts& prompts, const EncodeOptions& options) {
  std::vector<std::string> texts;
  for (const std::string& name : prompts.class_names) {
    for (const std::string& prompt_template : prompts.templates)
      texts.push_back(fill_template(prompt_template, name));
  }
  const auto num_classes = static_cast<std::int64_t>(prompts.class_names.size());
  const auto num_templates = static_cast<std::int64_t>(prompts.templates.size());
  const at::Tensor classifier_KD =
      zero_shot_classifier(encoder.encode_texts(texts, options).view({num_classes, num_templates, -1}));
  const ImageFeatures images = encoder.encode_images(source, options);
  std::vector<std::int64_t> labels;
  labels.reserve(images.indices.size());
  for (const std::int64_t index : images.indices) {
    const std::int64_t label = source->label(index);
    if (label >= num_classes) {
      throw_user_error("{} has the label {}, but '{}' has {} class names, for the labels from 0 to {}",
                       source->describe(index), label, prompts.names_from, num_classes, num_classes - 1);
    }
    labels.push_back(label);
  }
  return zero_shot_metrics(images.features_ND, classifier_KD, labels);
}

LossResult evaluate_loss(const PairFeatures& pairs, FeatureModel& model, std::int64_t loss_batch_size) {
  const std::int64_t num_images = pairs.image_ND.size(0);
  const at::Tensor text_ND = pairs.text_MD.index_select(0, first_texts(pairs));
  LossResult result{.batch_size = std::min(loss_batch_size, num_images)};
  if (result.batch_size < model.min_pairs()) {
    throw_user_error("a batch has {} usable pairs, but the loss needs at least {}", result.batch_size,
                     model.min_pairs());
  }
  const auto rows = [&](const at::Tensor& features, std::int64_t first) {
    return features.narrow(0, first, result.batch_size).to(model.device());
  };
  for (std::int64_t first = 0; first + result.batch_size <= num_images; first += result.batch_size) {
    result.loss += model.pair_loss(rows(pairs.image_ND, first), rows(text_ND, first)).item<double>();
    ++result.num_batches;
  }
  result.num_pairs = result.num_batches * result.batch_size;
  result.chance_loss = model.chance_loss(result.batch_size);
  result.loss /= static_cast<double>(result.num_batches);
  return result;
}

NamedNumbers named_numbers(const LossResult& result) {
  NamedNumbers numbers = {{"loss", result.loss}};
  if (result.chance_loss) numbers.emplace_back("chance_loss", *result.chance_loss);
  numbers.insert(numbers.end(), {{"loss_batch_size", static_cast<double>(result.batch_size)},
                                 {"num_batches", static_cast<double>(result.num_batches)},
                                 {"num_pairs", static_cast<double>(result.num_pairs)}});
  return numbers;
}

}  // namespace cloob

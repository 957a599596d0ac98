#include "cloob/eval/evaluate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <limits>

#include "cloob/base/error.h"
#include "cloob/base/gather.h"
#include "cloob/data/loader.h"
#include "cloob/eval/prompts.h"
#include "cloob/nn/eval_mode.h"

namespace cloob {
namespace {

// Captions of the images in `indices`, and for each caption the row of its image.
struct CaptionRows {
  std::vector<std::string> captions;
  std::vector<std::int64_t> image_of_caption;
};

CaptionRows captions_of(const Source& source, const std::vector<std::int64_t>& indices, EvalCaptions which) {
  CaptionRows rows;
  for (std::size_t row = 0; row < indices.size(); ++row) {
    std::vector<std::string> captions = source.read_captions(indices[row]);
    if (captions.empty()) throw_user_error("{}: the image has no caption", source.describe(indices[row]));
    if (which == EvalCaptions::first) captions.resize(1);
    for (std::string& caption : captions) {
      rows.captions.push_back(std::move(caption));
      rows.image_of_caption.push_back(static_cast<std::int64_t>(row));
    }
  }
  return rows;
}

}  // namespace

RetrievalMetrics evaluate_retrieval(const FeatureEncoder& encoder,
                                    const std::shared_ptr<const Source>& source, EvalCaptions captions,
                                    const EncodeOptions& options) {
  const ImageFeatures images = encoder.encode_images(source, options);
  const CaptionRows texts = captions_of(*source, images.indices, captions);
  const at::Tensor text_features = encoder.encode_texts(texts.captions, options);
  return retrieval_metrics(images.features_ND, text_features, texts.image_of_caption);
}

ZeroShotPrompts zero_shot_prompts(const LabeledSource& source, const std::optional<std::string>& class_names,
                                  const std::optional<std::string>& templates) {
  ZeroShotPrompts prompts;
  prompts.class_names = class_names ? load_class_names(*class_names) : source.class_names();
  prompts.templates = templates ? load_templates(*templates) : source.templates();
  if (prompts.templates.empty()) prompts.templates = default_templates();
  if (prompts.class_names.size() != source.class_names().size()) {
    throw_user_error("'{}' names {} classes, but the data has {}", class_names.value_or("the data"),
                     prompts.class_names.size(), source.class_names().size());
  }
  return prompts;
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
  for (const std::int64_t index : images.indices) labels.push_back(source->label(index));
  return zero_shot_metrics(images.features_ND, classifier_KD, labels);
}

LossResult evaluate_loss(const FeatureEncoder& encoder, const ContrastiveObjective& objective,
                     const std::shared_ptr<const Source>& source, std::int64_t loss_batch_size,
                     const EncodeOptions& options) {
  const c10::NoGradGuard no_grad;
  DualEncoder model = encoder.model();
  const EvalMode eval_mode(*model);
  const std::int64_t batch_size = std::min(loss_batch_size, source->size());
  Loader loader(source, encoder.preprocess(options),
                make_loader_options(options.data, Purpose::evaluation, batch_size, /*seed=*/0));
  LossResult result{.batch_size = batch_size};
  while (!loader.finished() && loader.position() + batch_size <= source->size()) {
    const Batch batch = loader.next();
    if (batch.size() < ContrastiveObjective::kFewestPairs) continue;
    at::Tensor image_BD, text_BD;
    {
      const Autocast autocast(encoder.device().type(), options.precision);
      image_BD = model->encode_image(batch.images_BCHW.to(encoder.device()));
      text_BD = model->encode_text(batch.tokens_BL.to(encoder.device()),
                                   batch.end_positions_B.to(encoder.device()));
    }
    // Any step is behind the warm-up of retrieval at the end of time.
    constexpr std::int64_t kAfterWarmup = std::numeric_limits<std::int64_t>::max();
    result.loss += objective.evaluate(image_BD, text_BD, model->inv_tau(), SingleProcess(), kAfterWarmup)
               .loss.item<double>();
    ++result.num_batches;
    result.num_pairs += batch.size();
    if (options.progress) options.progress(loader.position(), source->size());
  }
  if (result.num_batches == 0) throw_user_error("there is no batch with two usable pairs to compute a loss from");
  result.loss /= static_cast<double>(result.num_batches);
  return result;
}

}  // namespace cloob

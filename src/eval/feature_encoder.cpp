#include "cloob/eval/feature_encoder.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/data/loader/loader.h"
#include "cloob/data/loader/preprocess.h"

namespace cloob {
namespace {

at::Tensor to_host(const at::Tensor& features_BD) { return features_BD.to(at::kCPU, at::kFloat); }

void report_progress(const EncodeOptions& options, const char* unit, std::int64_t done, std::int64_t total) {
  if (options.report) options.report({.label = "eval", .unit = unit, .step = done, .num_steps = total});
}

}  // namespace

FeatureEncoder::FeatureEncoder(FeatureModel& model, const ImageConfig& image,
                               std::shared_ptr<const Tokenizer> tokenizer)
    : model_(model), image_(image), tokenizer_(std::move(tokenizer)) {}

void FeatureEncoder::require_texts() const {
  if (!tokenizer_) {
    throw_user_error(
        "the weights file does not contain its tokenizer, so texts cannot be encoded (images can): use its checkpoint, "
        "or import it with 'cloob weights import FILE --tokenizer MODEL --out CHECKPOINT'");
  }
  const std::int64_t rows = model_.config().text.vocab_size;
  if (tokenizer_->vocab_size() > rows) {
    throw_user_error(
        "the tokenizer has {} tokens, but model.text.vocab_size is {}, so texts cannot be encoded (images can): set it to "
        "at least {} before training, or import weights together with their own tokenizer (weights import --tokenizer)",
        tokenizer_->vocab_size(), rows, tokenizer_->vocab_size());
  }
}

ImageFeatures FeatureEncoder::encode_images(std::shared_ptr<const Source> source,
                                            const EncodeOptions& options) const {
  const Preprocess images_only = make_image_preprocess(
      image_, Purpose::evaluation, model_.config().image.image_size, options.data.max_image_pixels);
  const SampleOrder order({{source->size(), 1}}, {.max_samples = options.max_samples.value_or(0)});
  Loader loader(std::move(source), images_only, order,
                make_loader_options(options.data, Purpose::evaluation, options.batch_size, /*seed=*/0));
  std::vector<at::Tensor> parts;
  ImageFeatures result;
  while (!loader.finished()) {
    Batch batch = loader.next();
    if (batch.size() > 0) {
      const Autocast autocast(model_.device().type(), options.precision);
      parts.push_back(to_host(model_.encode_image(batch.images_BCHW.to(model_.device()))));
      result.indices.insert(result.indices.end(), batch.indices.begin(), batch.indices.end());
      std::ranges::move(batch.all_captions, std::back_inserter(result.captions));
    }
    report_progress(options, "image", loader.position(), order.size());
  }
  result.features_ND = at::cat(parts);
  return result;
}

at::Tensor FeatureEncoder::encode_texts(std::span<const std::string> texts,
                                        const EncodeOptions& options) const {
  require_texts();
  if (texts.empty()) throw_user_error("there are no texts to encode");
  const auto batch_size = static_cast<std::size_t>(options.batch_size);
  std::vector<at::Tensor> parts;
  for (std::size_t first = 0; first < texts.size(); first += batch_size) {
    const auto part = texts.subspan(first, std::min(batch_size, texts.size() - first));
    const TokenBatch tokens = encode_batch(*tokenizer_, part, model_.config().text.context_length);
    const Autocast autocast(model_.device().type(), options.precision);
    parts.push_back(to_host(model_.encode_text(tokens.tokens_BL, tokens.end_positions_B)));
    report_progress(options, "text", static_cast<std::int64_t>(first + part.size()),
                    static_cast<std::int64_t>(texts.size()));
  }
  return at::cat(parts);
}

void require_finite_features(const at::Tensor& features_ND, std::string_view what) {
  const at::Tensor bad_N = features_ND.isfinite().all(1).logical_not();
  const auto num_bad = bad_N.sum().item<std::int64_t>();
  if (num_bad == 0) return;
  throw_user_error(
      "the features of {} of {} {}s are not finite, starting with {} {}: the weights are broken (a diverged "
      "run?) or the precision is too low",
      with_thousands(num_bad), with_thousands(bad_N.size(0)), what, what,
      bad_N.to(at::kByte).argmax().item<std::int64_t>());
}

}  // namespace cloob

#include "cloob/eval/feature_encoder.h"

#include <ATen/ceil_div.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/data/loader/loader.h"
#include "cloob/data/loader/preprocess.h"
#include "eval/division.h"
#include "eval/rounds.h"
#include "eval/unusable.h"

namespace cloob {
namespace {

at::Tensor to_host(const at::Tensor& features_BD) { return features_BD.to(at::kCPU, at::kFloat); }

constexpr std::array kStages = {FeatureStage::unit, FeatureStage::raw, FeatureStage::tower};

ImageFeatureStages to_host(const ImageFeatureStages& features) {
  ImageFeatureStages on_host;
  for (const FeatureStage stage : kStages) {
    if (features.at(stage).defined()) on_host.at(stage) = to_host(features.at(stage));
  }
  return on_host;
}

void require_same_size(std::int64_t num_images, const Collectives& collectives) {
  const auto own = static_cast<double>(num_images);
  const double most = collectives.max(own), fewest = -collectives.max(-own);
  if (most == fewest) return;
  throw_user_error(
      "the ranks do not have the same data to evaluate: rank {} has {} images, others between {} and {}",
      collectives.rank(), num_images, fewest, most);
}

// The texts of one batch.
struct TextBatch {
  std::size_t block = 0, first = 0, count = 0;
};

std::vector<TextBatch> batches_of(const std::vector<std::vector<std::string>>& blocks,
                                  std::int64_t batch_size) {
  const auto most = static_cast<std::size_t>(batch_size);
  std::vector<TextBatch> batches;
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    const std::size_t size = blocks[block].size();
    for (std::size_t first = 0; first < size; first += most)
      batches.push_back({block, first, std::min(most, size - first)});
  }
  return batches;
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

void FeatureEncoder::encode_images(std::shared_ptr<const Source> source, const EncodeOptions& options,
                                   const Collectives& collectives, const TakeImages& take) const {
  const SampleOrder order({{source->size(), 1}}, {.max_samples = options.max_samples.value_or(0)});
  if (order.size() == 0) throw_user_error("there are no images to evaluate");
  require_same_size(order.size(), collectives);
  const EvaluationParts parts(order.size(), options.batch_size);
  const Slice own = parts.images_of(collectives);
  LoaderOptions loader_options =
      make_loader_options(options.data, Purpose::evaluation, options.batch_size, /*seed=*/0);
  loader_options.judges_unusable = false;
  std::optional<Loader> loader;
  if (own.count > 0) {
    const Preprocess images_only = make_image_preprocess(
        image_, Purpose::evaluation, model_.config().image.image_size, options.data.max_image_pixels);
    loader.emplace(std::move(source), images_only, order.slice(own.first, own.count), loader_options);
  }
  const auto encode_next = [&](std::int64_t) {
    const std::int64_t position = loader->position();
    Batch batch = loader->next();
    if (batch.size() > 0) {
      const Autocast autocast(model_.device().type(), options.precision);
      ImageFeatureStages features =
          to_host(model_.encode_image(batch.images_BCHW.to(model_.device()), options.more_stages));
      take({std::move(features), std::move(batch.indices), std::move(batch.all_captions)},
           parts.part_of(own.first + position));
    }
    return loader->position() - position;
  };
  run_rounds({"image", at::ceil_div(own.count, options.batch_size), own.count}, options, collectives,
             encode_next);
  const BadSampleCounts unusable =
      sum_over_ranks(loader ? loader->bad_samples() : BadSampleCounts(), collectives);
  if (options.take_unusable)
    options.take_unusable(unusable, order.size());
  else
    judge_unusable(unusable, order.size(), options.data.max_bad_share);
}

ImageFeatures FeatureEncoder::encode_images(std::shared_ptr<const Source> source,
                                            const EncodeOptions& options) const {
  std::map<FeatureStage, std::vector<at::Tensor>> features;
  ImageFeatures all;
  encode_images(std::move(source), options, SingleProcess(), [&](ImageFeatures batch, std::int64_t) {
    for (const FeatureStage stage : kStages) {
      if (batch.features.at(stage).defined()) features[stage].push_back(std::move(batch.features.at(stage)));
    }
    all.indices.insert(all.indices.end(), batch.indices.begin(), batch.indices.end());
    std::ranges::move(batch.captions, std::back_inserter(all.captions));
  });
  for (auto& [stage, parts] : features) all.features.at(stage) = at::cat(std::exchange(parts, {}));
  return all;
}

std::vector<at::Tensor> FeatureEncoder::encode_texts(const std::vector<std::vector<std::string>>& blocks,
                                                     const EncodeOptions& options,
                                                     const Collectives& collectives) const {
  require_texts();
  const std::vector<TextBatch> batches = batches_of(blocks, options.batch_size);
  std::vector<std::vector<at::Tensor>> features(blocks.size());
  std::int64_t num_texts = 0;
  for (const TextBatch& batch : batches) num_texts += static_cast<std::int64_t>(batch.count);
  run_rounds({"text", std::ssize(batches), num_texts}, options, collectives, [&](std::int64_t number) {
    const TextBatch& batch = batches[static_cast<std::size_t>(number)];
    const auto texts = std::span(blocks[batch.block]).subspan(batch.first, batch.count);
    features[batch.block].push_back(encode_batch_of_texts(texts, options));
    return static_cast<std::int64_t>(batch.count);
  });
  std::vector<at::Tensor> joined;
  for (std::vector<at::Tensor>& parts : features) joined.push_back(at::cat(std::exchange(parts, {})));
  return joined;
}

at::Tensor FeatureEncoder::encode_texts(const std::vector<std::string>& texts,
                                        const EncodeOptions& options) const {
  if (texts.empty()) throw_user_error("there are no texts to encode");
  return encode_texts(std::vector<std::vector<std::string>>{texts}, options, SingleProcess()).front();
}

at::Tensor FeatureEncoder::encode_batch_of_texts(std::span<const std::string> texts,
                                                 const EncodeOptions& options) const {
  const TokenBatch tokens = encode_batch(*tokenizer_, texts, model_.config().text.context_length);
  const Autocast autocast(model_.device().type(), options.precision);
  return to_host(options.texts_are_prompts ? model_.encode_prompts(tokens.tokens_BL, tokens.end_positions_B)
                                           : model_.encode_text(tokens.tokens_BL, tokens.end_positions_B));
}

void require_finite_features(const at::Tensor& features_ND, std::string_view what) {
  require_finite_features(std::vector{features_ND}, what, SingleProcess());
}

void require_finite_features(const std::vector<at::Tensor>& blocks, std::string_view what,
                             const Collectives& collectives) {
  std::int64_t num_rows = 0, num_bad = 0, first_bad = -1;
  for (const at::Tensor& block_ND : blocks) {
    const at::Tensor bad_N = block_ND.isfinite().all(1).logical_not();
    const auto bad = bad_N.sum().item<std::int64_t>();
    if (bad > 0 && num_bad == 0) first_bad = num_rows + bad_N.to(at::kByte).argmax().item<std::int64_t>();
    num_bad += bad;
    num_rows += block_ND.size(0);
  }
  const at::Tensor all_W3 =
      collectives.gather_rows(at::tensor({num_rows, num_bad, first_bad}).unsqueeze(0)).rows_ND.contiguous();
  std::int64_t all_rows = 0, all_bad = 0, first = -1;
  for (const auto* row = all_W3.const_data_ptr<std::int64_t>();
       row != all_W3.const_data_ptr<std::int64_t>() + all_W3.numel(); row += 3) {
    if (first < 0 && row[2] >= 0) first = all_rows + row[2];
    all_rows += row[0];
    all_bad += row[1];
  }
  if (all_bad == 0) return;
  throw_user_error(
      "the features of {} of {} {}s are not finite, starting with {} {}: the weights are broken (a diverged "
      "run?) or the precision is too low",
      with_thousands(all_bad), with_thousands(all_rows), what, what, first);
}

}  // namespace cloob

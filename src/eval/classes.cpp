#include "eval/classes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ceil_div.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/slice.h"
#include "cloob/base/text.h"
#include "cloob/eval/zero_shot_metrics.h"

namespace cloob {
namespace {

// Prompts are encoded in blocks of whole classes, so that each rank can average those of its own. A block fills its batches, but for
// a tenth.
std::int64_t classes_per_block(std::int64_t num_templates, std::int64_t batch_size) {
  std::int64_t classes = std::max<std::int64_t>(1, batch_size / num_templates);
  const auto places = [&] { return at::ceil_div(classes * num_templates, batch_size) * batch_size; };
  while (10 * classes * num_templates < 9 * places()) ++classes;
  return classes;
}

// All ranks throw, so that none waits for the others.
void require_same_prompts(const ZeroShotPrompts& prompts, const Collectives& collectives) {
  const auto text_of = [](const std::vector<std::string>& lines) { return join(lines, "\n"); };
  const std::string own = text_of(prompts.class_names) + "\n\n" + text_of(prompts.templates);
  const bool differs = broadcast_text(collectives, own) != own;
  if (collectives.max(differs ? 1 : 0) > 0)
    throw_user_error(
        "the ranks do not have the same class names and prompt templates: rank {} has {} names from {} and {} templates from {}",
        collectives.rank(), prompts.class_names.size(), prompts.names_from, prompts.templates.size(),
        prompts.templates_from);
}

}  // namespace

at::Tensor encode_classes(const FeatureEncoder& encoder, const ZeroShotPrompts& prompts,
                          const EncodeOptions& options, const Collectives& collectives) {
  require_same_prompts(prompts, collectives);
  const auto num_classes = std::ssize(prompts.class_names), num_templates = std::ssize(prompts.templates);
  const std::int64_t per_block = classes_per_block(num_templates, options.batch_size);
  const Slice own =
      slice_of(at::ceil_div(num_classes, per_block), collectives.rank(), collectives.world_size());
  std::vector<std::vector<std::string>> blocks;
  for (std::int64_t block = own.first; block < own.first + own.count; ++block) {
    std::vector<std::string>& texts = blocks.emplace_back();
    const std::int64_t end = std::min(num_classes, (block + 1) * per_block);
    for (std::int64_t label = block * per_block; label < end; ++label) {
      for (const std::string& prompt_template : prompts.templates)
        texts.push_back(fill_template(prompt_template, prompts.class_names[static_cast<std::size_t>(label)]));
    }
  }
  EncodeOptions of_prompts = options;
  of_prompts.texts_are_prompts = true;
  std::vector<at::Tensor> classifiers = {at::empty({0, encoder.model().config().embed_dim})};
  for (const at::Tensor& features_MD : encoder.encode_texts(blocks, of_prompts, collectives)) {
    const at::Tensor classes_CD =
        zero_shot_classifier(features_MD.view({-1, num_templates, features_MD.size(1)}));
    classifiers.push_back(encoder.model().refine_classes(classes_CD).to(at::kCPU));
  }
  return collectives.gather_rows(at::cat(classifiers)).rows_ND;
}

std::int64_t label_of(const LabeledSource& source, std::int64_t index, const ZeroShotPrompts& prompts) {
  const std::int64_t label = source.label(index);
  const auto num_classes = std::ssize(prompts.class_names);
  if (label < num_classes) return label;
  throw_user_error("{} has the label {}, but '{}' has {} class names, for the labels from 0 to {}",
                   source.describe(index), label, prompts.names_from, num_classes, num_classes - 1);
}

void require_finite_images(const ImageFeatures& batch, const Source& source) {
  const at::Tensor finite_B = batch.features.unit_BD.isfinite().all(1);
  if (finite_B.all().item<bool>()) return;
  const auto row = finite_B.to(at::kByte).argmin().item<std::int64_t>();
  throw_user_error(
      "the features of {} are not finite: the weights are broken (a diverged run?) or the precision is too low",
      source.describe(batch.indices[static_cast<std::size_t>(row)]));
}

}  // namespace cloob

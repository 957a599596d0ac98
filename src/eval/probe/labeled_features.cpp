#include "cloob/eval/probe/labeled_features.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/eval/prompts.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

std::int64_t class_of(const LabeledSource& source, std::int64_t index,
                      const std::vector<std::int64_t>& class_of_label) {
  const std::int64_t label = source.label(index);
  if (label < std::ssize(class_of_label)) return class_of_label[static_cast<std::size_t>(label)];
  throw_user_error("{} has the label {}, but the data has {} class names, for the labels from 0 to {}",
                   source.describe(index), label, class_of_label.size(), class_of_label.size() - 1);
}

[[noreturn]] void reject_classes(const std::string& name, const std::string& with,
                                 const std::string& without) {
  throw_user_error(
      "the classes to train and to test on differ: '{}' has the class '{}', '{}' does not; they are matched by "
      "their folders or by the lines of classnames.txt",
      with, name, without);
}

}  // namespace

std::vector<std::string> class_names_of(const LabeledSource& source) {
  if (!source.class_folders().empty()) return source.class_folders();
  const auto file = source.names_file();
  CLOOB_CHECK(file, "a source of labels without folders has no names file");
  return load_class_names(file->string());
}

std::vector<std::int64_t> match_classes(const std::vector<std::string>& train,
                                        const std::vector<std::string>& test, const std::string& train_path,
                                        const std::string& test_path) {
  std::vector<std::int64_t> matched(test.size());
  std::iota(matched.begin(), matched.end(), 0);
  if (train == test) return matched;
  std::map<std::string, std::int64_t> numbers;
  for (const std::string& name : train) {
    if (numbers.emplace(name, std::ssize(numbers)).second) continue;
    throw_user_error(
        "two classes of '{}' are called '{}', so that those of '{}', which are in another order, cannot be matched by name",
        train_path, name, test_path);
  }
  std::map<std::int64_t, std::string> seen;
  for (std::size_t label = 0; label < test.size(); ++label) {
    const auto found = numbers.find(test[label]);
    if (found == numbers.end()) reject_classes(test[label], test_path, train_path);
    matched[label] = found->second;
    if (!seen.emplace(found->second, test[label]).second)
      throw_user_error("two classes of '{}' are called '{}'", test_path, test[label]);
  }
  for (const auto& [name, number] : numbers) {
    if (!seen.contains(number)) reject_classes(name, train_path, test_path);
  }
  return matched;
}

bool are_same_images(const fs::path& root, const std::string& split, const fs::path& other_root,
                     const std::string& other_split) {
  std::error_code ignored;
  return fs::equivalent(images_of_split(root, split), images_of_split(other_root, other_split), ignored) &&
         (split == other_split || !lists_splits(root));
}

std::vector<LabeledPart> encode_labeled(const FeatureEncoder& encoder,
                                        const std::shared_ptr<const LabeledSource>& source,
                                        const std::vector<std::int64_t>& class_of_label, FeatureStage stage,
                                        const EncodeOptions& options, const Collectives& collectives) {
  EncodeOptions at_stage = options;
  at_stage.more_stages = {stage};
  std::vector<LabeledPart> parts;
  std::vector<std::vector<at::Tensor>> batches;
  std::int64_t last = -1;
  encoder.encode_images(source, at_stage, collectives, [&](ImageFeatures batch, std::int64_t number) {
    if (number != std::exchange(last, number)) {
      parts.emplace_back();
      batches.emplace_back();
    }
    for (const std::int64_t index : batch.indices)
      parts.back().labels.push_back(class_of(*source, index, class_of_label));
    batches.back().push_back(std::move(batch.features.at(stage)));
  });
  std::vector<at::Tensor> blocks;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    parts[part].features_BD = at::cat(std::exchange(batches[part], {}));
    blocks.push_back(parts[part].features_BD);
  }
  require_finite_features(blocks, "image", collectives);
  return parts;
}

std::int64_t num_rows_of_all(const std::vector<LabeledPart>& own, const Collectives& collectives) {
  std::int64_t count = 0;
  for (const LabeledPart& part : own) count += part.features_BD.size(0);
  const at::Tensor sum = at::full({}, count, at::kLong);
  collectives.sum_in_place(std::array{sum});
  return sum.item<std::int64_t>();
}

std::int64_t dim_of_all(const std::vector<LabeledPart>& own, const Collectives& collectives) {
  double dim = 0;
  for (const LabeledPart& part : own) dim = static_cast<double>(part.features_BD.size(1));
  return static_cast<std::int64_t>(collectives.max(dim));
}

}  // namespace cloob

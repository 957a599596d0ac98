#include "cloob/train/validation.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "cloob/base/error.h"

namespace cloob {
namespace {

// "data/cifar10/test/" -> "test"
std::string last_part(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).lexically_normal();
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

void append(NamedNumbers& all, const NamedNumbers& some, const std::string& prefix) {
  for (const auto& [name, value] : some) {
    if (!name.starts_with("num_")) all.emplace_back(prefix + name, value);
  }
}

constexpr const char* kLoss = "val/loss";

std::string zero_shot_prefix(const std::string& name) { return fmt::format("val/{}_", name); }

}  // namespace

Validation::Validation(const RunConfig& config, FeatureEncoder encoder, const ContrastiveObjective& objective)
    : config_(config.eval),
      options_{
          .precision = precision_of(config.train), .batch_size = config.eval.batch_size, .data = config.data},
      encoder_(std::move(encoder)),
      objective_(objective) {
  if (!config.data.val.empty()) pairs_ = make_source(config.data, config.data.val, Purpose::evaluation);
  for (const std::string& folder : config.eval.zero_shot) {
    const std::string name = last_part(folder);
    if (std::ranges::any_of(zero_shot_, [&](const ZeroShotData& other) { return other.name == name; })) {
      throw_user_error(
          "eval.zero_shot: two folders are called '{}', which names their metrics: rename one of them or "
          "link "
          "to it under another name",
          name);
    }
    const auto source = open_labeled_source(folder, "test", config.data.threads);
    zero_shot_.push_back(
        {name, source, zero_shot_prompts(*source, config.eval.class_names, config.eval.templates)});
  }
}

NamedNumbers Validation::run(const std::function<void(const Progress& progress)>& report) const {
  EncodeOptions options = options_;
  options.report = report;
  NamedNumbers metrics;
  if (pairs_ != nullptr) {
    const PairFeatures pairs = encode_pairs(encoder_, pairs_, config_.captions, options);
    metrics.emplace_back(kLoss, evaluate_loss(pairs, encoder_, objective_, config_.loss_batch_size).loss);
    append(metrics, named_numbers(evaluate_retrieval(pairs)), "val/");
  }
  for (const ZeroShotData& data : zero_shot_) {
    append(metrics, named_numbers(evaluate_zero_shot(encoder_, data.source, data.prompts, options)),
           zero_shot_prefix(data.name));
  }
  return metrics;
}

std::vector<std::string> Validation::metric_names() const {
  NamedNumbers metrics;
  if (pairs_ != nullptr) {
    metrics.emplace_back(kLoss, 0);
    append(metrics, named_numbers(RetrievalMetrics{}), "val/");
  }
  for (const ZeroShotData& data : zero_shot_) {
    append(metrics, named_numbers(ZeroShotMetrics{}), zero_shot_prefix(data.name));
  }
  std::vector<std::string> names;
  for (auto& [name, value] : metrics) names.push_back(std::move(name));
  return names;
}

}  // namespace cloob

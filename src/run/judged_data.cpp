#include "cloob/run/judged_data.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string_view>

#include "cloob/base/error.h"
#include "cloob/base/named_path.h"
#include "cloob/data/labeled_source.h"
#include "cloob/data/source_names.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const std::vector<std::string>& names) {
  const std::vector<std::string> sources = split_sources(names);
  try {
    return expand_source_names(sources);
  } catch (const UserError&) {  // of a sweep whose data is gone or was moved
    return {sources.begin(), sources.end()};
  }
}

// Evaluations use the split 'test' of a clip-benchmark folder.
std::string tested_images(const fs::path& folder) { return canonical_name(images_of_split(folder, "test")); }

std::vector<std::string> data_of_pairs(const RunConfig& config) {
  std::vector<std::string> data;
  for (const fs::path& file : files_of(config.data.val)) data.push_back(canonical_name(file));
  return data;
}

// "acc1" of "val/cifar10_acc1" and the name cifar10.
std::optional<std::string_view> measure_of(std::string_view metric, const std::string& name) {
  const std::string prefix = "val/" + name + "_";
  return metric.starts_with(prefix) ? std::optional(metric.substr(prefix.size())) : std::nullopt;
}

}  // namespace

std::vector<std::string> judged_data(const RunConfig& config, const std::string& metric) {
  constexpr std::array<std::string_view, 6> kZeroShot = {"acc1",      "acc5",        "mean_per_class_recall",
                                                         "acc1_seen", "acc1_unseen", "acc1_harmonic_mean"};
  for (const std::string& text : config.eval.zero_shot) {
    const NamedPath set = named_path(text);
    const auto measure = measure_of(metric, set.name);
    if (measure && std::ranges::find(kZeroShot, *measure) != kZeroShot.end())
      return {tested_images(set.path)};
  }
  for (const auto& [name, probe] : config.eval.linear_probe) {
    const auto measure = measure_of(metric, name);
    if (measure && measure->starts_with("lp_")) return {tested_images(probe.test)};
  }
  for (const auto& [name, clusters] : config.eval.clusters) {
    const auto measure = measure_of(metric, name);
    if (measure && measure->starts_with("clusters_")) return {tested_images(clusters.data)};
  }
  return data_of_pairs(config);
}

std::vector<std::string> judged_data(const RunConfig& config) {
  std::vector<std::string> data = data_of_pairs(config);
  for (const std::string& text : config.eval.zero_shot) data.push_back(tested_images(named_path(text).path));
  for (const auto& [name, probe] : config.eval.linear_probe) data.push_back(tested_images(probe.test));
  for (const auto& [name, clusters] : config.eval.clusters) data.push_back(tested_images(clusters.data));
  return data;
}

}  // namespace cloob

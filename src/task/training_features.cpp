#include "task/training_features.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/data/sample_hash.h"
#include "task/first_rows.h"
#include "task/source_identity.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIdentity = "identity";
constexpr const char* kContent = "content";

std::string hash_of(const std::string& text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string identity_of(const Source& source, const PairMemory& memory, const RecoConfig& config,
                        const std::string& encoding) {
  std::string text = fmt::format("memory {}, k {}, search {}, exclude_similarity {}, {}, samples {:016x}",
                                 memory.identity(), config.k, enum_name(config.search),
                                 config.exclude_similarity, encoding, sample_hash(source));
  for (const auto& [name, value] : SourceIdentity(source).to_metadata())
    text += fmt::format(", {} {}", name, value);
  return text;
}

// Of the tensors: numbers that are damaged look like others.
std::string hash_of(const NamedTensors& tensors) {
  std::string hashes;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor content = tensor.contiguous();
    const XXH128_hash_t hash = XXH3_128bits(content.const_data_ptr(), content.nbytes());
    hashes +=
        fmt::format("{} {} {:016x}{:016x}\n", name, fmt::join(content.sizes(), " "), hash.high64, hash.low64);
  }
  return hash_of(hashes);
}

}  // namespace

TrainingFeatures gather(const TrainingFeatures& own, c10::Device device, const Collectives& collectives) {
  const auto all = [&](const at::Tensor& rows) {
    return collectives.gather_rows(rows.to(device)).rows_ND.to(at::kCPU);
  };
  const at::Tensor indices_m = all(own.indices_n), first_n = first_rows_of(indices_m);
  const auto kept = [&](const at::Tensor& rows) { return all(rows).index_select(0, first_n); };
  return {.indices_n = indices_m.index_select(0, first_n),
          .image_nD = kept(own.image_nD),
          .text_nD = kept(own.text_nD),
          .image_rows_nK = kept(own.image_rows_nK),
          .text_rows_nK = kept(own.text_rows_nK)};
}

at::Tensor rows_of_samples(const TrainingFeatures& features, std::int64_t num_samples) {
  const at::Tensor row_of_index_S = at::full({num_samples}, -1, at::kLong);
  return row_of_index_S.index_copy(0, features.indices_n, at::arange(features.indices_n.numel(), at::kLong));
}

TrainingFeatureCache::TrainingFeatureCache(fs::path folder, const Source& source, const PairMemory& memory,
                                           const RecoConfig& config, const std::string& encoding)
    : identity_(identity_of(source, memory, config, encoding)),
      file_(std::move(folder) / (hash_of(identity_) + ".safetensors")),
      num_samples_(source.size()),
      num_pairs_(memory.size()),
      dims_(memory.dims()),
      k_(config.k) {}

std::optional<TrainingFeatures> TrainingFeatureCache::read() const {
  std::error_code ignored;
  if (!fs::exists(file_, ignored)) return std::nullopt;
  try {
    SafetensorsFile file = read_safetensors(file_);
    const auto take = [&](const char* name) {
      const auto tensor = file.tensors.find(name);
      if (tensor == file.tensors.end()) throw_user_error("'{}' has no tensor '{}'", file_.string(), name);
      return tensor->second;
    };
    TrainingFeatures features{.indices_n = take("indices"),
                              .image_nD = take("image"),
                              .text_nD = take("text"),
                              .image_rows_nK = take("image_rows"),
                              .text_rows_nK = take("text_rows")};
    const std::int64_t rows = features.indices_n.size(0);
    const auto is_within = [](const at::Tensor& numbers, std::int64_t low, std::int64_t end) {
      return numbers.scalar_type() == at::kLong &&
             (numbers.numel() == 0 ||
              (numbers.min().item<std::int64_t>() >= low && numbers.max().item<std::int64_t>() < end));
    };
    const bool has_rows = std::ranges::all_of(
        std::array{&features.image_nD, &features.text_nD, &features.image_rows_nK, &features.text_rows_nK},
        [&](const at::Tensor* tensor) { return tensor->dim() == 2 && tensor->size(0) == rows; });
    const bool has_features = std::ranges::all_of(
        std::array{&features.image_nD, &features.text_nD},
        [&](const at::Tensor* tensor) { return tensor->is_floating_point() && tensor->size(-1) == dims_; });
    const bool has_neighbors = features.image_rows_nK.size(-1) == k_ && features.text_rows_nK.size(-1) == k_;
    if (file.metadata[kIdentity] != identity_ || file.metadata[kContent] != hash_of(file.tensors) ||
        !has_rows || !has_features || !has_neighbors || features.indices_n.dim() != 1 ||
        !is_within(features.indices_n, 0, num_samples_) ||
        !is_within(features.image_rows_nK, -1, num_pairs_) ||
        !is_within(features.text_rows_nK, -1, num_pairs_))
      throw_user_error("'{}' does not hold what its name says", file_.string());
    return features;
  } catch (const UserError& damage) {
    log_warning("reco", "features are computed again: {}", damage.what());
    return std::nullopt;
  }
}

std::optional<TrainingFeatures> TrainingFeatureCache::read(const Collectives& collectives) const {
  std::optional<TrainingFeatures> features = read();
  // The ranks may see different folders.
  if (collectives.max(features ? 0 : 1) > 0) return std::nullopt;
  return features;
}

void TrainingFeatureCache::write(const TrainingFeatures& features) const {
  try {
    make_directories(file_.parent_path());
    const NamedTensors tensors = {{"indices", features.indices_n},
                                  {"image", features.image_nD},
                                  {"text", features.text_nD},
                                  {"image_rows", features.image_rows_nK},
                                  {"text_rows", features.text_rows_nK}};
    write_safetensors(file_, tensors, {{kIdentity, identity_}, {kContent, hash_of(tensors)}});
  } catch (const UserError& failure) {
    log_warning("reco", "the features of training samples are not kept for later starts: {}", failure.what());
  }
}

}  // namespace cloob

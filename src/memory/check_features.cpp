#include "cloob/memory/check_features.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/tensor.h>
#include <fmt/core.h>

#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/image_files.h"
#include "cloob/search/index_entry.h"
#include "memory/selected_source.h"

namespace cloob {
namespace {

// The samples of a source with the keys of some entries, by entry.
std::map<std::size_t, std::int64_t> find_samples(const IndexRows& entries, const Source& source) {
  std::unordered_multimap<std::string, std::size_t> wanted;
  for (std::size_t i = 0; i < entries.entries.size(); ++i)
    wanted.emplace(as_stored(entries.entries[i].key), i);
  std::map<std::size_t, std::int64_t> found;
  for (std::int64_t index = 0; index < source.size() && found.size() < wanted.size(); ++index) {
    try {
      const auto [first, last] = wanted.equal_range(as_stored(source.key(index)));
      for (auto entry = first; entry != last; ++entry) found.emplace(entry->second, index);
    } catch (const BadSample&) {  // has no key, and is no entry
    }
  }
  return found;
}

// Features that were computed again, with the entries that they are of.
struct Again {
  at::Tensor features_ND;
  std::vector<std::int64_t> entries;
};

class FeatureComparison {
 public:
  FeatureComparison(const IndexRows& entries, std::string name) : entries_(entries), name_(std::move(name)) {}

  void add(Side side, const Again& again) {
    const at::Tensor stored_ND = entries_.features_ND.at(side).index_select(0, at::tensor(again.entries));
    const at::Tensor cosines_N = cosines(stored_ND, again.features_ND);
    for (std::size_t i = 0; i < again.entries.size(); ++i) {
      const double cosine = cosines_N[static_cast<std::int64_t>(i)].item<double>();
      ++(side == Side::image ? check_.images : check_.captions);
      if (!(cosine >= kLeastCosine)) ++differing_;
      if (!(cosine >= check_.lowest_cosine)) {
        check_.lowest_cosine = cosine;
        worst_ = fmt::format("{} of '{}'", side == Side::image ? "image" : "caption",
                             entries_.entries[static_cast<std::size_t>(again.entries[i])].key);
      }
    }
  }

  std::optional<FeatureCheck> result() const {
    const std::int64_t compared = check_.images + check_.captions;
    if (differing_ > 0) {
      throw_user_error(
          "'{}' is not of this model: {} of {} images and captions that were encoded again have a cosine below {} with what is stored, the "
          "lowest is {:.4f} ({}); name the model that made them, with its preprocessing",
          name_, with_thousands(differing_), with_thousands(compared), kLeastCosine, check_.lowest_cosine,
          worst_);
    }
    return compared == 0 ? std::nullopt : std::optional(check_);
  }

 private:
  static at::Tensor cosines(const at::Tensor& a_ND, const at::Tensor& b_ND) {
    const at::Tensor a = a_ND.to(at::kDouble), b = b_ND.to(at::kDouble);
    const auto norm = [](const at::Tensor& rows_ND) {
      return at::linalg_vector_norm(rows_ND, 2, at::IntArrayRef{1}, /*keepdim=*/false);
    };
    return (a * b).sum(1) / (norm(a) * norm(b));
  }

  const IndexRows& entries_;
  std::string name_;
  FeatureCheck check_{.lowest_cosine = 2};
  std::int64_t differing_ = 0;
  std::string worst_;
};

// Encodes what is usable of a source whose samples belong to these entries.
std::optional<Again> encode_again(const FeatureEncoder& encoder, EncodeOptions options,
                                  std::shared_ptr<const Source> source,
                                  const std::vector<std::int64_t>& entries) {
  if (entries.empty()) return std::nullopt;
  options.take_unusable = [](const BadSampleCounts&, std::int64_t) {};  // they are not compared
  Again again;
  std::vector<at::Tensor> features;
  encoder.encode_images(std::move(source), options, SingleProcess(), [&](ImageFeatures batch, std::int64_t) {
    features.push_back(batch.features.unit_BD);
    for (const std::int64_t index : batch.indices)
      again.entries.push_back(entries[static_cast<std::size_t>(index)]);
  });
  if (features.empty()) return std::nullopt;
  again.features_ND = at::cat(features);
  return again;
}

std::vector<std::string> captions_of(const IndexEntry& entry, const Source* source,
                                     std::optional<std::int64_t> sample) {
  if (!entry.captions.empty() || !sample) return entry.captions;
  try {
    return source->read_captions(*sample);
  } catch (const BadSample&) {
    return {};
  }
}

}  // namespace

std::optional<FeatureCheck> check_features(const IndexRows& entries, const FeatureEncoder& encoder,
                                           const EncodeOptions& options,
                                           const std::shared_ptr<const Source>& source,
                                           const std::string& name) {
  const auto samples = source ? find_samples(entries, *source) : std::map<std::size_t, std::int64_t>();
  if (source && samples.empty())
    log_warning("memory", "none of {} that are compared is a key of --data",
                counted(std::ssize(entries.entries), "entry key"));
  std::vector<std::filesystem::path> files;
  std::vector<std::int64_t> with_file, with_sample, indices, with_caption;
  std::vector<std::string> captions;
  for (std::size_t i = 0; i < entries.entries.size(); ++i) {
    const IndexEntry& entry = entries.entries[i];
    const auto sample = samples.find(i);
    const auto number = static_cast<std::int64_t>(i);
    if (sample != samples.end()) {
      with_sample.push_back(number);
      indices.push_back(sample->second);
    } else if (!entry.path.empty()) {
      with_file.push_back(number);
      files.emplace_back(entry.path);
    }
    const auto all = captions_of(entry, source.get(),
                                 sample == samples.end() ? std::nullopt : std::optional(sample->second));
    if (all.empty() || trim(all.front()).empty()) continue;
    with_caption.push_back(number);
    captions.push_back(all.front());
  }
  FeatureComparison comparison(entries, name);
  if (entries.features_ND.contains(Side::image)) {
    const auto of_source = std::make_shared<const SelectedSource>(source, indices);
    if (const auto again = encode_again(encoder, options, of_source, with_sample))
      comparison.add(Side::image, *again);
    if (const auto again = encode_again(encoder, options, make_image_file_source(files), with_file))
      comparison.add(Side::image, *again);
  }
  if (entries.features_ND.contains(Side::text) && !captions.empty())
    comparison.add(Side::text, {encoder.encode_texts(captions, options), with_caption});
  return comparison.result();
}

}  // namespace cloob

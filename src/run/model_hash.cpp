#include "cloob/run/model_hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <filesystem>
#include <memory>
#include <string_view>

#include "cloob/base/files.h"
#include "cloob/config/config.h"
#include "cloob/memory/memory.h"
#include "cloob/text/tokenizer.h"

namespace cloob {
namespace {

class Hasher {
 public:
  Hasher() : state_(XXH3_createState()) { XXH3_128bits_reset(state_.get()); }
  void add(std::string_view bytes) { XXH3_128bits_update(state_.get(), bytes.data(), bytes.size()); }
  std::string digits() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

void add_tensors(Hasher& hasher, const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor weights = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    hasher.add(fmt::format("{} {}\n", name, fmt::join(weights.sizes(), " ")));
    hasher.add({static_cast<const char*>(weights.const_data_ptr()), weights.nbytes()});
  }
}

// Without what only training uses.
ModelConfig settings_of_features(ModelConfig model) {
  model.image.patch_dropout = 0;
  model.image.activation = model.image_activation();  // unset is the same as that of the model
  model.round_init_to_fp16 = false;
  return model;
}

// What is reset here is what training does to images; a setting that is new counts until it is.
ImageConfig settings_of_features(ImageConfig image) {
  const ImageConfig usual;
  if (image.interpolation == Interpolation::random) image.interpolation = Interpolation::bicubic;
  image.decode = usual.decode;
  image.train_crop = usual.train_crop;
  image.crop_scale = usual.crop_scale;
  image.crop_ratio = usual.crop_ratio;
  image.squash_size = usual.squash_size;
  image.horizontal_flip_probability = usual.horizontal_flip_probability;
  image.color_jitter = usual.color_jitter;
  image.color_jitter_probability = usual.color_jitter_probability;
  image.gray_scale_probability = usual.gray_scale_probability;
  image.gaussian_blur_probability = usual.gaussian_blur_probability;
  image.gaussian_blur_sigma = usual.gaussian_blur_sigma;
  return image;
}

// Where the files lie says nothing about what is in them.
TextConfig settings_of_features(TextConfig text) {
  text.model_file.clear();
  text.vocabulary_file.clear();
  return text;
}

// Where memories lie says nothing about what is in them, and the rest is of training.
RecoConfig settings_of_features(RecoConfig reco) {
  const RecoConfig usual;
  reco.memory = usual.memory;
  reco.evaluation_memory = usual.evaluation_memory;
  reco.cache = usual.cache;
  reco.exclude_similarity = usual.exclude_similarity;
  return reco;
}

}  // namespace

std::string model_hash(const LoadedModel& loaded) {
  return model_hash(loaded.task->weights(), loaded.config, loaded.has_tokenizer);
}

std::string model_hash(const NamedTensors& tensors, const RunConfig& config, bool has_tokenizer) {
  Hasher hasher;
  add_tensors(hasher, tensors);
  hasher.add(print_config(settings_of_features(config.model)) +
             print_config(settings_of_features(config.image)) +
             print_config(settings_of_features(config.text)));
  hasher.add(has_tokenizer ? read_file(tokenizer_file(config.text)) : "images only");
  return hasher.digits();
}

std::string features_hash(const LoadedModel& loaded) {
  const std::string of_towers = model_hash(loaded);
  if (!loaded.is_refined()) return of_towers;
  Hasher hasher;
  hasher.add(of_towers);
  hasher.add(print_config(settings_of_features(loaded.config.reco)));
  hasher.add(loaded.memory ? loaded.memory->identity() : "no memory");
  add_tensors(hasher, loaded.task->state());
  return hasher.digits();
}

}  // namespace cloob

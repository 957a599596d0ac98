#include "cloob/run/model_hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <memory>
#include <string_view>

#include "cloob/base/text.h"

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

std::string numbers(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) text += shortest(value) + " ";
  return text;
}

}  // namespace

std::string model_hash(const LoadedModel& loaded) {
  const ImageConfig& image = loaded.config.image;
  Hasher hasher;
  for (const auto& [name, tensor] : loaded.task->weights()) {
    const at::Tensor weights = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    hasher.add(fmt::format("{} {}\n", name, fmt::join(weights.sizes(), " ")));
    hasher.add({static_cast<const char*>(weights.const_data_ptr()), weights.nbytes()});
  }
  hasher.add(fmt::format("{} {} {}{}", enum_name(loaded.config.model.activation),
                         enum_name(image.resize_mode), numbers(image.mean), numbers(image.std)));
  return hasher.digits();
}

}  // namespace cloob

#include "cloob/run/model_fingerprint.h"

#include <fmt/core.h>

#include <cstring>
#include <span>

#include "cloob/base/random.h"
#include "cloob/config/config.h"

namespace cloob {
namespace {

// Of eight bytes at a time.
std::uint64_t hash_bytes(std::span<const std::byte> bytes, std::uint64_t hash) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  for (std::size_t begin = 0; begin < bytes.size(); begin += kWord) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + begin, std::min(kWord, bytes.size() - begin));
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 32;
  }
  return hash;
}

std::uint64_t hash_tensor(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor host = tensor.detach().cpu().contiguous();
  std::string shape = name;
  for (const std::int64_t size : host.sizes()) shape += fmt::format(" {}", size);
  const auto* const data = static_cast<const std::byte*>(host.const_data_ptr());
  return hash_bytes({data, host.nbytes()}, hash_text(shape, static_cast<std::uint64_t>(host.scalar_type())));
}

std::string settings_of(const LoadedModel& loaded) {
  TextConfig text = loaded.config.text;
  text.model_file = {};  // where it lies says nothing about what is in it
  return print_config(loaded.config.model) + print_config(loaded.config.image) + print_config(text) +
         (loaded.has_tokenizer ? "" : "images only");
}

}  // namespace

std::string model_fingerprint(const LoadedModel& loaded) {
  std::uint64_t hash = hash_text(settings_of(loaded), 0);
  for (const auto& [name, tensor] : loaded.task->weights())
    hash = mix_bits({hash, hash_tensor(name, tensor)});
  return fmt::format("{:016x}", hash);
}

}  // namespace cloob

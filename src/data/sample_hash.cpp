#include "cloob/data/sample_hash.h"

#include <algorithm>
#include <string>

#include "cloob/base/random.h"
#include "cloob/data/bad_samples.h"

namespace cloob {

std::uint64_t sample_hash(const Source& source) {
  constexpr std::int64_t kMostSamples = 256;
  const std::int64_t count = source.is_stream() ? 0 : std::min(kMostSamples, source.size());
  std::uint64_t hash = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    try {
      const RawSample sample = source.read(i * source.size() / count);
      hash = hash_text(sample.key, hash);
      for (const std::string& caption : sample.captions) hash = hash_text(caption, hash);
      const auto* const bytes = reinterpret_cast<const char*>(sample.image_bytes.data());
      hash = hash_text({bytes, sample.image_bytes.size()}, hash);
    } catch (const BadSample&) {
      hash = hash_text("unusable", hash);
    }
  }
  return hash;
}

}  // namespace cloob

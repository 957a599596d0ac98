#include "cli/caption_lengths.h"

#include "cloob/base/files.h"
#include "cloob/run/run_config.h"
#include "cloob/text/tokenizer.h"

namespace cloob {

std::vector<std::int64_t> count_caption_tokens(const std::string& file, const RunConfig& config) {
  const auto tokenizer = make_tokenizer(config.text);
  std::vector<std::int64_t> lengths;
  for (const std::string& caption : read_nonempty_lines(file)) {
    const auto encoded = tokenizer->encode(caption, config.model.text.context_length);
    lengths.push_back(encoded.end_position + 1);
  }
  return lengths;
}

}  // namespace cloob

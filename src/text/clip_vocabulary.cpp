#include "cloob/text/clip_vocabulary.h"

#include <string_view>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "text/byte_pairs.h"
#include "text/gzip.h"
#include "text/unicode.h"

namespace cloob {

ClipVocabulary read_clip_vocabulary() {
  const std::string text = read_gzip_file(find_resource("bpe_simple_vocab_16e6.txt.gz"));
  ClipVocabulary result{{}, "#version: 0.2\n"};
  const auto add = [&](std::string spelling) {
    result.ids.emplace(std::move(spelling), static_cast<std::int64_t>(result.ids.size()));
  };
  for (const std::string_view suffix : {std::string_view(), kEndOfWord}) {
    for (const SpelledByte& spelled : byte_table()) {
      std::string spelling;
      append_utf8(spelled.character, spelling);
      add(spelling.append(suffix));
    }
  }
  std::size_t begin = text.find('\n') + 1;  // after the header
  for (std::size_t i = 0; i < kNumMerges; ++i) {
    const std::size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    const std::size_t blank = line.find(' ');
    CLOOB_CHECK(end != std::string::npos && blank != std::string::npos, "merge {} of CLIP's vocabulary", i);
    add(line.substr(0, blank) + line.substr(blank + 1));
    result.merges += line + "\n";
    begin = end + 1;
  }
  add(kClipStartToken);
  add(kClipEndToken);
  CLOOB_CHECK(result.ids.size() == static_cast<std::size_t>(kClipVocabularySize), "{} tokens",
              result.ids.size());
  return result;
}

}  // namespace cloob

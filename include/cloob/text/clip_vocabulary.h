// CLIP's vocabulary in the form of other programs' tokenizers.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace cloob {

inline constexpr std::int64_t kClipVocabularySize = 49'408;
inline constexpr const char* kClipStartToken = "<|startoftext|>";
inline constexpr const char* kClipEndToken = "<|endoftext|>";

/// As in the files vocab.json and merges.txt of Hugging Face's CLIPTokenizer.
struct ClipVocabulary {
  std::map<std::string, std::int64_t> ids;  ///< by the spelling of the token
  std::string merges;                       ///< a header line, then one merge per line
};

/// From the vocabulary that is installed with the program. Throws UserError.
ClipVocabulary read_clip_vocabulary();

}  // namespace cloob

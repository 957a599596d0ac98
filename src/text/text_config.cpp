#include "cloob/text/text_config.h"

#include "cloob/base/error.h"

namespace cloob {

void TextConfig::validate() const {
  if (tokenizer != TokenizerKind::sentencepiece) return;
  if (model_file.empty()) {
    throw_user_error(
        "text.tokenizer is sentencepiece, but text.model_file is empty: set it to a model, for example one "
        "created by 'cloob tokenizer train'");
  }
  if (truncation == Truncation::cut) {
    throw_user_error(
        "text.truncation is cut, which reproduces a bug of the CLOOB authors' code and exists only for "
        "text.tokenizer clip: set it to keep_end");
  }
}

}  // namespace cloob

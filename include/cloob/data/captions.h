#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/base/random.h"
#include "cloob/data/data_config.h"
#include "cloob/data/source.h"

namespace cloob {

/// Adds `caption` with surrounding white space stripped, unless nothing is left. This and the readers below throw
/// BadSample above the limits of limits.h.
void add_caption(std::vector<std::string>& captions, std::string_view caption);

/// The captions in a text member: the whole text, or one per line.
std::vector<std::string> captions_in_text(std::span<const std::byte> text, bool one_per_line);

/// Captions: heaviest first if they have weights, otherwise in their original order.
struct WeightedCaptions {
  std::vector<std::string> captions;
  std::vector<double> weights;  ///< above 0; empty: all equal
};

/// The captions in a field of a JSON object: a string; a list of strings and {"caption": text, "weight":
/// number}, where a missing weight is 1; or an object of caption: weight. Throws BadSample for anything else.
WeightedCaptions captions_in_json(std::span<const std::byte> text, const std::string& field);

/// Index of a random caption, drawn in proportion to the weights if there are any. Needs a caption.
std::size_t choose_caption(const RawSample& sample, RandomStream stream);

/// Throws the BadSample for a caption that is empty after the tokenizer's cleaning.
[[noreturn]] void throw_empty_after_cleaning(std::string_view caption);
/// Throws BadSample(caption_not_utf8) unless the caption is valid UTF-8, as Python does that decodes it: guessing
/// its encoding would sometimes train on other words.
void require_utf8(std::string_view caption);

/// Decodes all captions that a sample has, in place; those that become empty are dropped.
void decode_captions(WeightedCaptions& captions, CaptionEncoding encoding);

/// As Python's urllib.parse.unquote_plus: '+' becomes a blank and %xx a byte; other '%' stay.
std::string percent_decoded(std::string_view text);
/// Whether a caption has no blanks but what percent-encoding writes for them or for punctuation.
bool looks_percent_encoded(std::string_view caption);

}  // namespace cloob

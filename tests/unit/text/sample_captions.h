#pragma once

#include <string>
#include <vector>

#include "cloob/base/random.h"

namespace cloob::testing {

/// A few hundred captions of common words in random order, enough to train a small sentencepiece model.
inline std::vector<std::string> sample_captions() {
  const std::vector<std::string> words = {
      "a",        "the",         "dog",    "two",   "children", "old",     "man",      "red-haired",
      "girl",     "neighbour's", "cat",    "runs",  "along",    "is",      "sitting",  "on",
      "jumps",    "over",        "looks",  "at",    "sleeps",   "near",    "bench",    "wooden",
      "river",    "open",        "book",   "snowy", "street",   "beach",   "at night", "quick",
      "brown",    "fox",         "very",   "lazy",  "zebra",    "juggles", "with",     "bright",
      "umbrella", "under",       "grey",   "sky",   "mountain", "bicycle", "kitchen",  "window",
      "yellow",   "flowers",     "market", "crowd", "plays",    "guitar",  "football", "train",
      "platform", "waiting",     "happy",  "people"};
  RandomStream random(RandomUse::synthetic_data, {7});
  std::vector<std::string> captions(400);
  for (std::string& caption : captions) {
    for (std::uint64_t left = 4 + random.below(6); left > 0; --left)
      caption += words[random.below(words.size())] + " ";
    caption += ".";
  }
  return captions;
}

}  // namespace cloob::testing

#pragma once

#include <cstdint>
#include <string_view>

#include "cloob/base/random.h"

namespace cloob {

/// A hash that stays the same in every run and on every machine (FNV-1a, mixed with `seed`).
inline std::uint64_t hash_text(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return mix_bits({seed, hash});
}

}  // namespace cloob

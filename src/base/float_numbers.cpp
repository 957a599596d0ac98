#include "cloob/base/float_numbers.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cstring>

#include "cloob/base/error.h"

namespace cloob {
namespace {

template <class Number>
void convert(const std::byte* bytes, std::span<float> into) {
  for (float& to : into) {
    Number number;
    std::memcpy(&number, bytes, sizeof(Number));
    to = static_cast<float>(number);
    bytes += sizeof(Number);
  }
}

}  // namespace

bool is_readable_number(c10::ScalarType type) {
  return type == c10::ScalarType::Half || type == c10::ScalarType::BFloat16 ||
         type == c10::ScalarType::Float || type == c10::ScalarType::Double;
}

void read_numbers(c10::ScalarType type, const std::byte* bytes, std::span<float> into) {
  if (type == c10::ScalarType::Float) {
    std::memcpy(into.data(), bytes, into.size_bytes());
  } else if (type == c10::ScalarType::Half) {
    convert<c10::Half>(bytes, into);
  } else if (type == c10::ScalarType::BFloat16) {
    convert<c10::BFloat16>(bytes, into);
  } else {
    CLOOB_CHECK(type == c10::ScalarType::Double, "numbers of type {}", c10::toString(type));
    convert<double>(bytes, into);
  }
}

}  // namespace cloob

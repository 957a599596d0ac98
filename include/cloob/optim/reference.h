#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// Whose training conventions to follow where the codes differ: which tensors decay, the form of the warm-up
/// and the bounds of the scales. The top-level setting `reference`.
enum class Reference { open_clip, cloob, protoclip };

template <>
struct EnumNames<Reference> {
  static constexpr std::array<std::pair<std::string_view, Reference>, 3> names = {
      {{"open_clip", Reference::open_clip},
       {"cloob", Reference::cloob},
       {"protoclip", Reference::protoclip}}};
};

}  // namespace cloob

// The names of the tensors of SLIP's models and in open_clip. Their image tower is a vision transformer of timm, their
// text tower CLIP's under CLIP's own names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cloob {

/// Whether a name of SLIP's is none of open_clip's, so that a file with it is one of SLIP's models.
bool is_only_slips(std::string_view name);

struct SlipTensor {
  std::string open_clip_name;
  bool has_leading_ones = false;  ///< SLIP's has dimensions of size 1 in front of open_clip's
};

/// Nullopt if no model of SLIP has a tensor of this name.
std::optional<SlipTensor> slip_tensor(std::string_view slip_name);

/// Whether a tensor belongs to the head of SLIP's self-supervised loss, which is not part of the model.
bool is_self_supervised_head(std::string_view slip_name);

}  // namespace cloob

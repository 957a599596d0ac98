// The names of CLIP's tensors in Hugging Face's transformers (CLIPModel) and in open_clip, for vision transformers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// How a tensor of open_clip is stored by transformers: as the rows of one or more tensors, in this order, which are
/// transposed first if open_clip applies the matrix from the other side.
struct HuggingFaceTensors {
  std::vector<std::string> names;
  bool transposed = false;
};

/// The same tensor under transformers' names; nullopt if a CLIPModel has no such tensor, as for those of a ResNet.
std::optional<HuggingFaceTensors> hugging_face_tensors(std::string_view open_clip_name);

/// The tensor of open_clip that contains a tensor of this name; nullopt if the name is none of transformers'.
std::optional<std::string> open_clip_name_of(std::string_view hugging_face_name);

}  // namespace cloob

// Weights under the names of other programs. open_clip's names are this program's own.
#pragma once

#include "cloob/base/named_tensors.h"

namespace cloob {

/// The weights of a model with a vision transformer under the names of a CLIPModel of Hugging Face's transformers.
/// Throws UserError for tensors that a CLIPModel does not have.
NamedTensors with_hugging_face_names(const NamedTensors& weights);

}  // namespace cloob

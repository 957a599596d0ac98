#pragma once

#include <string>

#include "cloob/run/load_model.h"

namespace cloob {

/// 16 hexadecimal digits that differ if anything does on which the features of images and texts depend: weights, architecture,
/// preprocessing, the tokenizer's settings. The same for the same weights in another file.
std::string model_fingerprint(const LoadedModel& loaded);

}  // namespace cloob

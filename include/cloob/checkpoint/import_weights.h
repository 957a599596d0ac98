// Weights of other programs: open_clip's, OpenAI's and CLOOB's files, read under one set of names.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cloob/base/named_tensors.h"

namespace cloob {

enum class WeightSource { open_clip, openai, cloob };

/// "open_clip", "openai" or "cloob".
std::string_view source_name(WeightSource source);

struct ImportedWeights {
  /// Under open_clip's names: fp32, counters int64, contiguous, `logit_scale` without dimensions.
  NamedTensors tensors;
  WeightSource source;
  /// "gelu" or "quick_gelu": what the file's metadata says, otherwise quick_gelu for OpenAI and CLOOB files
  /// and gelu for others. It cannot be seen in the tensors, so the user has the last word.
  std::string default_activation;
  /// What was left out of the file, one sentence each.
  std::vector<std::string> notes;
  /// The metadata of a safetensors file, or the plain values beside a state_dict: epoch, name,
  /// model_config_file, method.
  std::map<std::string, std::string> metadata;
};

/// Reads safetensors, files of torch.save (a state_dict, or a training checkpoint that has one) and
/// TorchScript archives; which of them it is, the content decides.
///
/// Throws UserError for files that hold something else; for models of families that are not supported it says
/// which.
ImportedWeights import_weights(const std::filesystem::path& path);

}  // namespace cloob

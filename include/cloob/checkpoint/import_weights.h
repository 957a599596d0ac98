// Import of weights from other programs: files of open_clip, OpenAI, CLOOB, Hugging Face, SLIP and ProtoCLIP, with unified
// names.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cloob/base/named_tensors.h"

namespace cloob {

enum class WeightSource { open_clip, openai, cloob, hugging_face, slip, protoclip };

/// "open_clip", "openai", "cloob", "hugging_face", "slip" or "protoclip".
std::string_view source_name(WeightSource source);

struct ImportedWeights {
  /// By open_clip's names: contiguous, fp32, counters int64, `logit_scale` and `logit_bias` zero-dimensional.
  NamedTensors tensors;
  WeightSource source;
  /// "gelu" or "quick_gelu": from the file's metadata, otherwise gelu for files of open_clip and quick_gelu for
  /// others. The tensors do not determine it, so the user may override it. That of the text tower in files of SLIP.
  std::string default_activation;
  /// What was skipped in the file, one sentence each.
  std::vector<std::string> notes;
  /// The metadata of a safetensors file, or the scalars and strings stored next to a state_dict: epoch, name,
  /// model_config_file, method.
  std::map<std::string, std::string> metadata;
};

/// Reads safetensors, files of torch.save (a state_dict, or a training checkpoint that contains one) and
/// TorchScript archives; the format is detected from the content.
///
/// Throws UserError for files that contain something else; for unsupported model families it names the
/// family. Weights that no model can have are rejected by name: NaN, infinity, no elements,
/// types that are not floating-point.
ImportedWeights import_weights(const std::filesystem::path& path);

}  // namespace cloob

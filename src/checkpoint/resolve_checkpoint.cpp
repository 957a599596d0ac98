#include <algorithm>
#include <string>
#include <vector>

#include "checkpoint/printable.h"
#include "checkpoint/state_file.h"
#include "cloob/base/error.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/checkpoint_store.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCheckpoints = "checkpoints";
/// In folders that open_clip and transformers save a model in.
const std::vector<std::string> kWeightsOfOthers = {"open_clip_model.safetensors", "model.safetensors",
                                                   "open_clip_pytorch_model.bin", "pytorch_model.bin"};

CheckpointLocation checkpoint_at(fs::path path) {
  return {CheckpointLocation::Kind::checkpoint, std::move(path)};
}

std::string names_in(const fs::path& folder) {
  constexpr std::size_t kMax = 8;
  std::vector<std::string> names;
  for (const fs::path& path : paths_in(folder)) names.push_back(in_quotes(path.filename().string()));
  if (names.empty()) return "nothing";
  const bool is_cut = names.size() > kMax;
  names.resize(std::min(names.size(), kMax));
  return join(names, ", ") + (is_cut ? ", ..." : "");
}

// "run/best" and "run/latest", which do not have to exist as paths.
CheckpointLocation resolve_by_name(const fs::path& path) {
  const fs::path checkpoints = path.parent_path() / kCheckpoints;
  if (path.filename() == "latest") {
    const auto entries = list_checkpoints(checkpoints);
    if (!entries.empty()) return checkpoint_at(entries.back().path);
    throw_user_error("'{}' contains no checkpoint", checkpoints.string());
  }
  const fs::path best = checkpoints / "best";
  std::error_code error;
  if (fs::exists(best / kStateFile, error)) return checkpoint_at(best);
  throw_user_error(
      "'{}' has no best checkpoint: checkpoint.best_metric is empty, or has not been measured yet; '{}' is "
      "the newest one",
      path.parent_path().string(), (path.parent_path() / "latest").string());
}

}  // namespace

CheckpointLocation resolve_checkpoint(const fs::path& given) {
  const fs::path path = given.has_filename() ? given : given.parent_path();
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    const bool is_name = path.filename() == "best" || path.filename() == "latest";
    if (is_name && fs::exists(path.parent_path() / kCheckpoints, error)) return resolve_by_name(path);
    throw_user_error("'{}' does not exist", path.string());
  }
  if (error) throw_user_error("cannot open '{}': {}", path.string(), error.message());
  if (!fs::is_directory(status)) return {CheckpointLocation::Kind::weights_file, path};
  if (fs::exists(path / kStateFile, error)) return checkpoint_at(path);
  for (const fs::path& folder : {path / kCheckpoints, path}) {
    const auto entries = list_checkpoints(folder);
    if (!entries.empty()) return checkpoint_at(entries.back().path);
  }
  for (const std::string& name : kWeightsOfOthers) {
    if (fs::exists(path / name, error)) return {CheckpointLocation::Kind::weights_file, path / name};
  }
  throw_user_error(
      "'{}' is neither a checkpoint (with '{}') nor a run with one (in '{}') nor a folder with weights of another "
      "program ({}); it contains {}",
      path.string(), kStateFile, kCheckpoints, join(kWeightsOfOthers, ", "), names_in(path));
}

}  // namespace cloob

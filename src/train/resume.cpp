#include "cloob/train/resume.h"

#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint_store.h"
#include "cloob/config/config.h"

namespace cloob {
namespace {

std::optional<std::filesystem::path> newest_checkpoint(const std::filesystem::path& run_dir) {
  const auto entries = list_checkpoints(run_dir / "checkpoints");
  return entries.empty() ? std::nullopt : std::optional(entries.back().path);
}

bool same_folder(const std::filesystem::path& one, const std::filesystem::path& other) {
  std::error_code error;
  return std::filesystem::equivalent(one, other, error) && !error;
}

// "model.embed_dim: 512" for every setting.
std::vector<std::string> lines_of(const RunConfig& config) { return split(print_config(config), '\n'); }

void warn_about_changes(const Checkpoint& checkpoint, const RunConfig& config) {
  RunConfig saved;
  try {
    saved = read_config<RunConfig>(ConfigSource::from_text(checkpoint.config_yaml, "the checkpoint's config.yaml"));
  } catch (const UserError& error) {
    log_warning("train", "settings are not compared with the checkpoint's: {}", error.what());
    return;
  }
  const auto before = lines_of(saved);
  const auto now = lines_of(config);
  for (std::size_t line = 0; line < std::min(before.size(), now.size()); ++line) {
    if (before[line] != now[line]) {
      log_warning("train", "a setting differs from the checkpoint's: '{}', was '{}'", trim(now[line]), trim(before[line]));
    }
  }
}

}  // namespace

ResumePlan plan_resume(const std::filesystem::path& run_dir, const std::string& resume, bool overwrite) {
  if (resume != "none" && overwrite) throw_user_error("--overwrite and --resume contradict each other: give one of them");
  if (resume == "none") return {overwrite ? ExistingRun::overwrite : ExistingRun::refuse, std::nullopt};
  const auto newest = newest_checkpoint(run_dir);
  if (resume == "auto") {
    if (newest) return {ExistingRun::resume, newest};
    if (RunDirectory::holds_a_run(run_dir)) {
      log_info("train", "'{}' holds no checkpoint yet: starting from the beginning", run_dir.string());
    }
    return {ExistingRun::overwrite, std::nullopt};
  }
  const CheckpointLocation location = resolve_checkpoint(resume);
  if (location.kind != CheckpointLocation::Kind::checkpoint) {
    throw_user_error("'{}' is a weights file, from which a run cannot be resumed: start from it with --train.initial_weights",
                     resume);
  }
  const bool own = newest && same_folder(*newest, location.path);
  return {own ? ExistingRun::resume : ExistingRun::refuse, location.path};
}

std::optional<Checkpoint> load_checkpoint_to_resume(const ResumePlan& plan, const RunConfig& config) {
  if (!plan.checkpoint) return std::nullopt;
  log_info("train", "resuming from {}", plan.checkpoint->string());
  Checkpoint checkpoint = load_checkpoint(*plan.checkpoint, CheckpointPart::everything);
  warn_about_changes(checkpoint, config);
  return checkpoint;
}

}  // namespace cloob

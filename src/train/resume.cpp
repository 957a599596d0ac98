#include "cloob/train/resume.h"

#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/checkpoint/checkpoint_store.h"
#include "cloob/checkpoint/share_checkpoint.h"
#include "cloob/config/config.h"

namespace cloob {
namespace {

std::optional<std::filesystem::path> newest_checkpoint(const std::filesystem::path& folder) {
  const auto entries = list_checkpoints(folder);
  return entries.empty() ? std::nullopt : std::optional(entries.back().path);
}

bool is_in_folder(const std::filesystem::path& checkpoint, const std::filesystem::path& folder) {
  std::error_code error;
  const auto real = std::filesystem::canonical(checkpoint, error);
  return !error && std::filesystem::equivalent(real.parent_path(), folder, error) && !error;
}

void compare_with_saved(const Checkpoint& checkpoint, RunConfig& config) {
  RunConfig saved;
  try {
    constexpr std::uint64_t kMaxBytes = 16 << 20;  // a run may name many shards
    saved = read_config<RunConfig>(
        ConfigSource::from_data(checkpoint.config_yaml, "the checkpoint's config.yaml", kMaxBytes));
  } catch (const UserError& error) {
    log_warning("train", "cannot compare the settings with those of the checkpoint: {}", error.what());
    return;
  }
  if (!config.train.precision) config.train.precision = saved.train.precision;
  const auto before = setting_values(saved);
  for (const auto& [name, value] : setting_values(config)) {
    const auto old = before.find(name);
    const std::string old_value = old == before.end() ? "not set" : old->second;
    if (old_value != value)
      log_warning("train", "{} is {}, but was {} when the checkpoint was written", name, value, old_value);
  }
}

Checkpoint read_to_resume(const std::filesystem::path& path) {
  log_info("train", "resuming from {}", path.string());
  Checkpoint checkpoint = load_checkpoint(path, CheckpointPart::everything);
  if (checkpoint.training.empty()) {
    throw_user_error(
        "'{}' contains only weights, which a run cannot be resumed from: start a run from it with "
        "--train.initial_weights",
        path.string());
  }
  return checkpoint;
}

}  // namespace

ResumePlan plan_resume(const RunDirectory& directory, const std::string& resume, bool overwrite) {
  const std::string name = directory.path().string();
  const auto reject_existing_run = [&] {
    if (!directory.contains_run()) return;
    throw_user_error(
        "'{}' already contains a run: continue it with --resume auto, choose another folder with --run-dir, "
        "or replace it with --overwrite",
        name);
  };
  if (resume != "none" && overwrite)
    throw_user_error("--overwrite and --resume cannot be combined: give only one of them");
  if (overwrite) return {ExistingRun::remove, std::nullopt};
  if (resume == "none") {
    reject_existing_run();
    return {};
  }
  if (resume == "auto") {
    if (auto newest = newest_checkpoint(directory.checkpoints()))
      return {ExistingRun::keep, std::move(newest)};
    if (directory.contains_run())
      log_info("train", "'{}' has no checkpoint yet: starting from the beginning", name);
    return {ExistingRun::remove_measurements, std::nullopt};
  }
  const CheckpointLocation location = resolve_checkpoint(resume);
  if (location.kind != CheckpointLocation::Kind::checkpoint) {
    throw_user_error(
        "'{}' is a weights file, which a run cannot be resumed from: start a run from it with "
        "--train.initial_weights",
        resume);
  }
  if (!is_in_folder(location.path, directory.checkpoints())) reject_existing_run();
  return {ExistingRun::keep, location.path};
}

std::optional<Checkpoint> load_checkpoint_to_resume(const ResumePlan& plan, RunConfig& config,
                                                    const Collectives& collectives) {
  std::optional<Checkpoint> checkpoint;
  if (plan.checkpoint && collectives.rank() == 0) checkpoint = read_to_resume(*plan.checkpoint);
  checkpoint = share_checkpoint(std::move(checkpoint), collectives);
  if (checkpoint) compare_with_saved(*checkpoint, config);
  return checkpoint;
}

}  // namespace cloob

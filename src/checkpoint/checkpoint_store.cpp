#include "cloob/checkpoint/checkpoint_store.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <system_error>
#include <utility>

#include "checkpoint/checkpoint_files.h"
#include "checkpoint/disk_space.h"
#include "checkpoint/sharded_training_files.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStepPrefix = "step_";
constexpr const char* kSupersededPrefix = "superseded_";
constexpr const char* kBestLink = "best";

std::string folder_name(std::int64_t step) { return fmt::format("{}{:08}", kStepPrefix, step); }

BestMode usual_mode(std::string_view metric) {
  for (const std::string_view ending : {"loss", "_mean_rank", "_median_rank"}) {
    if (metric.ends_with(ending)) return BestMode::min;
  }
  return BestMode::max;
}

}  // namespace

BestMode best_mode(const CheckpointConfig& config) {
  return config.best_mode.value_or(usual_mode(config.best_metric));
}

std::vector<CheckpointEntry> list_checkpoints(const fs::path& folder) {
  std::vector<CheckpointEntry> entries;
  std::error_code error;
  if (fs::status(folder, error).type() == fs::file_type::not_found) return entries;
  for (const fs::path& path : paths_in(folder)) {
    const std::string name = path.filename().string();
    if (!name.starts_with(kStepPrefix)) continue;
    const auto step = parse_integer(std::string_view(name).substr(kStepPrefix.size()));
    if (step && name == folder_name(*step)) entries.push_back({*step, path});
  }
  std::ranges::sort(entries, {}, &CheckpointEntry::step);
  return entries;
}

CheckpointStore::CheckpointStore(fs::path folder, const CheckpointConfig& config)
    : folder_(std::move(folder)), config_(config) {
  make_directories(folder_);
  recover_from_crash(folder_);
}

fs::path CheckpointStore::save(const Checkpoint& checkpoint, std::optional<std::int64_t> also_keep) {
  return save(checkpoint, [](const fs::path&, std::uint64_t&) { return FileDigests(); }, also_keep);
}

fs::path CheckpointStore::save_sharded(const Checkpoint& checkpoint, const TensorParts& parts,
                                       const Collectives& collectives,
                                       std::optional<std::int64_t> also_keep) {
  const auto write_parts = [&](const fs::path& folder, std::uint64_t& bytes) {
    return write_training_parts(folder, parts, bytes, collectives);
  };
  return save(checkpoint, write_parts, also_keep);
}

fs::path CheckpointStore::save(const Checkpoint& checkpoint, const WriteParts& write_parts,
                               std::optional<std::int64_t> also_keep) {
  const fs::path target = folder_ / folder_name(checkpoint.state.step);
  std::uint64_t bytes = bytes_needed(checkpoint);
  try {
    StagedFolder staged(target);
    write_checkpoint_files(staged.path(), checkpoint, write_parts(staged.path(), bytes));
    staged.publish();
  } catch (const UserError& error) {
    throw UserError(error.what() + describe_shortage(folder_, bytes, free_bytes(folder_)));
  }
  // The new checkpoint is complete; problems with old ones must not stop the run.
  try {
    remove_superseded();
    link_best();
    prune(also_keep);
  } catch (const UserError& error) {
    log_warning("checkpoint", "{}", error.what());
  }
  return target;
}

std::optional<CheckpointEntry> CheckpointStore::best() const {
  const BestMode mode = best_mode(config_);
  std::optional<CheckpointEntry> best;
  double best_value = 0;
  for (const CheckpointEntry& entry : list_checkpoints(folder_)) {
    TrainingState state;
    try {
      state = load_training_state(entry.path);
    } catch (const UserError&) {
      continue;  // a damaged checkpoint cannot be the best
    }
    const auto metric = state.metrics.find(config_.best_metric);
    if (metric == state.metrics.end() || !std::isfinite(metric->second)) continue;
    const bool is_better = mode == BestMode::max ? metric->second > best_value : metric->second < best_value;
    if (best && !is_better) continue;
    best = entry;
    best_value = metric->second;
  }
  return best;
}

void CheckpointStore::supersede_after(std::int64_t step) const {
  std::vector<std::string> names;
  for (const CheckpointEntry& entry : list_checkpoints(folder_)) {
    if (entry.step <= step) continue;
    const std::string name = entry.path.filename().string();
    const fs::path renamed = folder_ / (kSupersededPrefix + name);
    std::error_code error;
    if (fs::exists(renamed, error)) remove_folder(renamed);  // of an earlier attempt
    rename_folder(entry.path, renamed);
    names.push_back(name);
  }
  if (names.empty()) return;
  log_warning("checkpoint",
              "newer than the checkpoint that the run continues from: {}; renamed to {}..., and removed once "
              "the run has saved a new checkpoint",
              join(names, ", "), (folder_ / kSupersededPrefix).string());
  link_best();
}

void CheckpointStore::remove_superseded() const {
  for (const fs::path& path : paths_in(folder_)) {
    if (path.filename().string().starts_with(kSupersededPrefix)) remove_folder(path);
  }
}

void CheckpointStore::link_best() const {
  const auto entry = best();
  std::error_code error;
  if (!entry) {
    fs::remove(folder_ / kBestLink, error);
    return;
  }
  const fs::path temporary = folder_ / fmt::format(".{}", kBestLink);
  fs::remove(temporary, error);
  fs::create_directory_symlink(entry->path.filename(), temporary, error);
  if (!error) fs::rename(temporary, folder_ / kBestLink, error);
  if (error) {
    throw_user_error("cannot link '{}' to '{}': {}", (folder_ / kBestLink).string(), entry->path.string(),
                     error.message());
  }
}

void CheckpointStore::prune(std::optional<std::int64_t> also_keep) const {
  if (config_.keep_last == 0) return;
  const auto entries = list_checkpoints(folder_);
  const auto kept_best = best();
  const auto num_kept = std::min(entries.size(), static_cast<std::size_t>(config_.keep_last));
  for (std::size_t i = 0; i + num_kept < entries.size(); ++i) {
    const bool is_best = kept_best && entries[i].step == kept_best->step;
    if (!is_best && entries[i].step != also_keep) remove_folder(entries[i].path);
  }
}

}  // namespace cloob

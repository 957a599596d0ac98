#include "cloob/train/check_run.h"

#include "cloob/base/error.h"
#include "cloob/device/device.h"
#include "cloob/run/dry_run.h"
#include "cloob/run/open_memory.h"
#include "cloob/text/tokenizer.h"
#include "train/odd_settings.h"
#include "train/training_parts.h"

namespace cloob {

RunCheck check_run(const RunConfig& config, const Collectives& collectives) {
  RunCheck check{.errors = missing_data(config), .warnings = {}, .steps = {}};
  if (config.train.steps || config.train.samples) check.steps = total_steps(config.train, {});
  if (!check.errors.empty()) return check;
  try {
    const auto loader = make_train_loader(config, make_tokenizer(config.text), collectives);
    const std::int64_t batches = loader->batches_per_epoch();
    check.steps = total_steps(config.train, {.batches_left = batches,
                                             .batches_per_epoch = batches,
                                             .passes_per_epoch = loader->order().passes_per_epoch()});
    check.warnings = odd_settings(config, /*step=*/0, *check.steps, select_device(config.train.device));
    if (const auto warning = odd_episodes(config, num_epochs(*check.steps, /*step=*/0, *loader)))
      check.warnings.push_back(*warning);
    check.metrics = make_run_suite(config).metric_names();
    if (config.task.kind == TaskKind::reco) {
      open_memory(config.reco.memory);
      open_memory(config.reco.evaluation_memory);
    }
  } catch (const UserError& error) {
    check.errors.emplace_back(error.what());
  }
  return check;
}

}  // namespace cloob

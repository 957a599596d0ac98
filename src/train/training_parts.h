// Creates the components of a trainer from their sections of the settings.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cloob/base/collectives.h"
#include "cloob/data/loader/loader.h"
#include "cloob/eval/suite.h"
#include "cloob/run/run_config.h"
#include "cloob/task/make_task.h"
#include "cloob/text/tokenizer.h"

namespace cloob {

/// Opens `data.train`; the loader delivers this rank's part of every batch. Throws UserError.
std::unique_ptr<Loader> make_train_loader(const RunConfig& config,
                                          const std::shared_ptr<const Tokenizer>& tokenizer,
                                          const Collectives& collectives);

/// A loader of one more pass over each epoch of `loader`, or over all samples in the order in which they are stored. It has every
/// one of these samples: the last batch is filled up with the first ones. Augmentation and choice of captions draw other random
/// numbers than in `loader`. `transform`: of images.
std::unique_ptr<Loader> make_extra_pass(const RunConfig& config,
                                        const std::shared_ptr<const Tokenizer>& tokenizer,
                                        const Loader& loader, PassOver samples, Purpose transform,
                                        const Collectives& collectives);

/// Reads the weights that `train.initial_weights` names, if it is set. Throws UserError.
StartingWeights read_starting_weights(const RunConfig& config);

/// Throws UserError on a rank whose data differs from that of rank 0: in its number of samples, or in their names as far as a
/// few tell. A collective operation.
void require_same_data(const Loader& loader, const Collectives& collectives);

/// Epochs of the loader's order in a run, the last of which may be incomplete, as seen from a step: earlier epochs may have had
/// another number of steps.
std::int64_t num_epochs(std::int64_t total_steps, std::int64_t step, const Loader& loader);

/// The schedule of learning rates: that of the settings, but that the image tower's ends where the task locks it. Throws
/// UserError if it locks it in all of the run.
ScheduleConfig lr_schedule(const RunConfig& config, std::int64_t total_steps, std::int64_t step,
                           const Loader& loader);

/// A warning, if the task divides training into episodes and would cluster none of them.
std::optional<std::string> odd_episodes(const RunConfig& config, std::int64_t num_episodes);

/// Opens the evaluations of the run. Throws UserError, also if `checkpoint.best_metric` is not one of their
/// metrics.
EvaluationSuite make_run_suite(const RunConfig& config);

}  // namespace cloob

// Creates the components of a trainer from their sections of the settings.
#pragma once

#include <memory>

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

/// Reads the weights that `train.initial_weights` names, if it is set. Throws UserError.
StartingWeights read_starting_weights(const RunConfig& config);

/// Throws UserError on a rank whose data differs from that of rank 0: in its number of samples, or in their names as far as a few
/// tell. A collective operation.
void require_same_data(const Loader& loader, const Collectives& collectives);

/// Opens the evaluations of the run. Throws UserError, also if `checkpoint.best_metric` is not one of their
/// metrics.
EvaluationSuite make_run_suite(const RunConfig& config);

}  // namespace cloob

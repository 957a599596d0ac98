// What a trainer is put together from, each made from its own sections.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "cloob/data/loader.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/text/tokenizer.h"
#include "cloob/train/run_config.h"
#include "cloob/train/validation.h"

namespace cloob {

/// Opens `data.train`. Throws UserError.
Loader make_train_loader(const RunConfig& config, const std::shared_ptr<const Tokenizer>& tokenizer);

/// The model with its initial weights: drawn from the seed, or read where `train.initial_weights` says. A
/// fixed inverse temperature is always that of `loss.inv_tau`; a learned one starts from the file's where
/// there is a file.
DualEncoder make_model(const RunConfig& config, c10::Device device);

/// Opens what the run is evaluated on. Throws UserError, also when `checkpoint.best_metric` is nothing that
/// it measures.
Validation make_validation(const RunConfig& config, FeatureEncoder encoder,
                           const ContrastiveObjective& objective);

}  // namespace cloob

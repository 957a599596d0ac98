// Creates a task from settings.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <string>

#include "cloob/base/collectives.h"
#include "cloob/base/named_tensors.h"
#include "cloob/data/data_config.h"
#include "cloob/device/autocast.h"
#include "cloob/model/model_config.h"
#include "cloob/model/pair_memory.h"
#include "cloob/objective/objective_config.h"
#include "cloob/optim/optim_config.h"
#include "cloob/optim/reference.h"
#include "cloob/retrieval/retrieval_config.h"
#include "cloob/task/protoclip_config.h"
#include "cloob/task/reco_config.h"
#include "cloob/task/task_config.h"
#include "cloob/task/training_task.h"

namespace cloob {

/// The initial weights of training.
struct StartingWeights {
  NamedTensors tensors;  ///< empty: random from the seed
  std::string source;    ///< where they come from, for error messages
};

/// The settings of all kinds of tasks; each kind uses what it needs.
struct TaskSettings {
  TaskConfig task;
  ProtoClipConfig protoclip;
  RecoConfig reco;
  ModelConfig model;
  LossConfig loss;
  RetrievalConfig retrieval;
  OptimizerConfig optimizer;  ///< which towers are frozen
  Reference reference = Reference::open_clip;
  std::uint64_t seed = 0;
  Precision precision = Precision::fp32;  ///< pure_bf16 also stores the matrices in bf16
  bool gradient_checkpointing = false;
  bool cache_frozen_features = false;
  bool sync_batch_norm = false;  ///< with several ranks
  CaptionChoice caption_choice = CaptionChoice::random;
};

/// Creates the task that `task.kind` names, with its model on `device`. A fixed inverse temperature is always
/// `loss.inv_tau`; a learned one starts from `start` if that has weights. `collectives` must outlive the
/// task. `memories`: of the model, for a task that retrieves from one. Throws UserError.
std::unique_ptr<TrainingTask> make_task(const TaskSettings& settings, const StartingWeights& start,
                                        const Collectives& collectives, c10::Device device,
                                        const PairMemories& memories = {});

}  // namespace cloob

// Finding the weights among what a file of torch.save contains.
#pragma once

#include <string>
#include <vector>

#include "cloob/checkpoint/torch_file.h"

namespace cloob {

struct StateDict {
  const PickleNode* dictionary = nullptr;  ///< null if nothing holds tensors
  std::string key;                         ///< where it is, with dots: "model"; empty for the whole file
  std::vector<std::string> others;         ///< keys of other dictionaries that hold tensors
};

/// The dictionary with the most tensors, at most three levels deep. Among those with at least half as many the first of
/// these keys is preferred: state_dict, model_state_dict, model, module, net, network, weights; averages of weights
/// (`..._ema`) come last.
///
/// Throws UserError that names the candidates if two are equally good.
StateDict find_state_dict(const std::string& path, const PickleNode& root);

}  // namespace cloob

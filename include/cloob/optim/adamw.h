#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "cloob/base/named_tensors.h"
#include "cloob/optim/optim_config.h"
#include "cloob/optim/reference.h"

namespace cloob {

/// AdamW with decoupled weight decay (Loshchilov and Hutter, 2019), one fused kernel for each of its two
/// groups.
///
/// Trains the parameters that require gradients; the tensors are shared with the model. Everything about a
/// parameter is kept under its name, so neither the order of parameters nor that of the groups matters to a
/// checkpoint.
class AdamW {
 public:
  /// Throws UserError when no parameter requires a gradient.
  AdamW(const NamedTensors& parameters, const OptimizerConfig& config, Reference reference);

  /// One update in place with this learning rate. Parameters without a gradient keep their value and their
  /// state.
  void step(double lr);

  /// Drops all gradients.
  void zero_grad();

  /// The parameters that are trained.
  const NamedTensors& parameters() const { return parameters_; }

  /// "NAME.exp_avg", "NAME.exp_avg_sq" and "NAME.step" of every parameter. The tensors are the live ones:
  /// save them before the next step, or copy.
  NamedTensors state() const;

  /// Copies a saved state in. Throws UserError, and changes nothing, when names or shapes differ from this
  /// model's.
  void load_state(const NamedTensors& state);

 private:
  struct Slot {
    std::string name;
    at::Tensor parameter;
    at::Tensor exp_avg;
    at::Tensor exp_avg_sq;
    at::Tensor step;  // fp32 scalar, the number of updates so far
  };
  struct Group {
    double weight_decay;
    std::vector<Slot> slots;
  };
  Group make_group(const std::vector<std::string>& names, double weight_decay) const;
  void update(const Group& group, double lr) const;

  OptimizerConfig config_;
  NamedTensors parameters_;
  std::vector<Group> groups_;
};

}  // namespace cloob

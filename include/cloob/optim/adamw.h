#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "cloob/base/named_tensors.h"
#include "cloob/optim/optim_config.h"
#include "cloob/optim/parameter_groups.h"
#include "cloob/optim/reference.h"

namespace cloob {

/// AdamW with decoupled weight decay (Loshchilov and Hutter, 2019), one fused kernel for each group of
/// parameters with one weight decay and learning rate.
///
/// Trains the parameters that require gradients; the tensors are shared with the model. Everything about a
/// parameter is kept under its name, so neither the order of parameters nor that of the groups matters to a
/// checkpoint. A parameter narrower than float32 has a float32 master copy here, which is what is updated:
/// most updates are smaller than what bf16 can add to a weight.
class AdamW {
 public:
  /// Throws UserError when no parameter requires a gradient.
  AdamW(const NamedTensors& parameters, const OptimizerConfig& config, Reference reference);

  /// One update in place with this learning rate, of which towers and layers take their parts. Parameters
  /// without a gradient keep their value and their state.
  void step(double lr);

  /// Drops all gradients.
  void zero_grad();

  /// The parameters that are trained.
  const NamedTensors& parameters() const { return parameters_; }

  /// "NAME.exp_avg", "NAME.exp_avg_sq" and "NAME.step" of every parameter, "NAME.master" of narrow ones. The
  /// tensors are the live ones: save them before the next step, or copy.
  NamedTensors state() const;

  /// Copies a saved state in. Throws UserError, and changes nothing, when names or shapes differ from this
  /// model's.
  void load_state(const NamedTensors& state);

 private:
  struct Slot {
    std::string name;
    at::Tensor parameter;
    at::Tensor master;  // the parameter itself where that is wide enough
    at::Tensor exp_avg;
    at::Tensor exp_avg_sq;
    at::Tensor step;  // fp32 scalar, the number of updates so far
  };
  struct Group {
    double weight_decay;
    double lr_scale;
    std::vector<Slot> slots;
  };
  Group make_group(const ParameterGroup& group) const;
  struct Lists;
  void update(const Group& group, double lr) const;
  void update(const Lists& lists, double weight_decay, double lr) const;

  OptimizerConfig config_;
  NamedTensors parameters_;
  std::vector<Group> groups_;
};

}  // namespace cloob

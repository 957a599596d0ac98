#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/base/named_tensors.h"
#include "cloob/base/tensor_parts.h"
#include "cloob/base/trained_parameter.h"
#include "cloob/optim/learning_rates.h"
#include "cloob/optim/optim_config.h"
#include "cloob/optim/parameter_groups.h"
#include "cloob/optim/reference.h"

namespace cloob {

/// AdamW with decoupled weight decay (Loshchilov and Hutter, 2019), one fused kernel per group of parameters
/// with the same weight decay and learning rate.
///
/// Updates the parameters that require gradients; the tensors are shared with the model. All state is stored
/// under parameter names, so checkpoints do not depend on the order of parameters or groups. A parameter in
/// lower precision has a float32 master copy here, which receives the updates: most updates are too small to
/// change a bf16 weight.
///
/// With `sharing`, the ranks of a run share the work and its memory (ZeRO stage 1, Rajbhandari et al., 2020): each keeps the
/// state and the master copies of its part of every parameter, updates that part, and gets the others after each step.
/// Gradients are those of all ranks, as without it, and the values are the same.
class AdamW {
 public:
  /// `sharing`, if not null, must outlive this. Throws UserError if no parameter requires a gradient.
  AdamW(const TrainedParameters& parameters, const OptimizerConfig& config, Reference reference,
        const Collectives* sharing = nullptr);

  /// One in-place update with these learning rates, which are scaled per tower and layer. Parameters without a
  /// gradient keep their values and their state; in a run of several ranks, every parameter gets one.
  ///
  /// `skip`, if defined, is a float32 scalar on the parameters' device: if it is 1, all values and state are
  /// left unchanged, without synchronizing with the host.
  void step(const LearningRates& lr, const at::Tensor& skip = {});

  /// Drops all gradients.
  void zero_grad();

  /// The trained parameters.
  const TrainedParameters& parameters() const { return parameters_; }

  /// "NAME.exp_avg", "NAME.exp_avg_sq" and "NAME.step" of every parameter, and "NAME.master" of those in
  /// lower precision. The tensors are not copies: save or copy them before the next step. With `sharing` a collective
  /// operation, whose result is on the host of rank 0 and empty on others.
  NamedTensors state() const;

  /// The same tensors, but of each only this rank's part.
  TensorParts state_parts(const Collectives& collectives) const;

  /// Restores a saved state. Throws UserError, and changes nothing, if names or shapes differ from this
  /// model's.
  void load_state(const NamedTensors& state);

 private:
  struct Slot {
    std::string name;
    at::Tensor parameter;
    at::Tensor updated;  // the elements of the parameter that this rank updates: all without sharing
    at::Tensor master;   // `updated` itself if it is at least fp32
    at::Tensor exp_avg;
    at::Tensor exp_avg_sq;
    at::Tensor step;  // fp32 scalar, the number of updates so far
  };
  struct Group {
    double weight_decay;
    double lr_scale;
    bool is_of_image_tower;
    std::vector<Slot> slots;
  };
  Group make_group(const ParameterGroup& group) const;
  ElementRange own_part(const at::Tensor& tensor) const;
  at::Tensor own_gradient(const Slot& slot) const;
  NamedTensors own_state() const;
  const at::Tensor& parameter_of(const std::string& state_name) const;
  void gather_parameters() const;
  struct Lists;
  void update(const Group& group, double lr, const at::Tensor& skip) const;
  void update(const Lists& lists, double weight_decay, double lr, const at::Tensor& skip) const;

  OptimizerConfig config_;
  const Collectives* sharing_;  // null if every rank updates everything
  TrainedParameters parameters_;
  std::vector<Group> groups_;
};

}  // namespace cloob

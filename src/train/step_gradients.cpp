#include "train/step_gradients.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/slice.h"
#include "cloob/device/random_state.h"
#include "cloob/nn/running_statistics.h"

namespace cloob {
namespace {

std::vector<at::Tensor> leaves_of(const TrainedParameters& parameters) {
  std::vector<at::Tensor> leaves;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.tensor.requires_grad()) leaves.push_back(parameter.tensor);
  }
  return leaves;
}

/// Splits rows into parts whose sizes differ by at most one, because a batch norm cannot handle a single
/// left-over sample. Without rows there is still one (empty) part. If ranks encode together, all have equally many parts.
std::vector<RowRange> split_into_parts(std::int64_t size, std::int64_t num_parts, bool is_collective) {
  if (!is_collective) num_parts = std::clamp<std::int64_t>(num_parts, 1, std::max<std::int64_t>(1, size));
  std::vector<RowRange> parts;
  for (std::int64_t part = 0; part < num_parts; ++part) {
    const auto [first, count] = slice_of(size, part, num_parts);
    parts.push_back({first, count});
  }
  return parts;
}

/// Concatenates the outputs of all parts, as leaves of the loss.
RowOutputs concatenate(const std::vector<RowOutputs>& parts) {
  RowOutputs all;
  for (std::size_t i = 0; i < parts.front().size(); ++i) {
    std::vector<at::Tensor> rows;
    for (const RowOutputs& part : parts) rows.push_back(part[i].rows);
    const bool is_trained = parts.front()[i].is_trained;
    all.push_back({at::cat(rows).requires_grad_(is_trained), is_trained});
  }
  return all;
}

/// Accumulates the gradients of bf16 weights over parts in float32: bf16 sums would lose small gradients.
class Fp32GradientSums {
 public:
  void accumulate_from(const TrainedParameters& parameters) {
    const at::NoGradGuard no_grad;
    for (const auto& [name, parameter] : parameters) {
      const at::Tensor& tensor = parameter.tensor;
      if (!is_below_fp32(tensor) || !tensor.grad().defined()) continue;
      const auto sum = sums_.find(name);
      if (sum == sums_.end()) {
        sums_.emplace(name, at_least_fp32(tensor.grad()));
      } else {
        sum->second.add_(tensor.grad());
      }
      tensor.mutable_grad().reset();
    }
  }
  void assign_to(const TrainedParameters& parameters) const {
    for (const auto& [name, sum] : sums_) parameters.at(name).tensor.mutable_grad() = sum;
  }

 private:
  NamedTensors sums_;
};

}  // namespace

StepGradients::StepGradients(const TrainConfig& config, TrainingTask& task, const LossScaler* scaler,
                             GradientSums* sums, c10::Device device, GraphFactory graphs)
    : precision_(precision_of(config)),
      full_batch_size_(config.global_batch_size),
      num_parts_(config.gradient_cache_parts),
      device_(device),
      task_(task),
      parameters_(task.parameters()),
      scaler_(scaler),
      sums_(sums) {
  if (!config.cuda_graph || !graphs) return;
  const auto work = [this](const std::vector<at::Tensor>& inputs) { return compute_captured(inputs); };
  graphed_.emplace(std::move(graphs), work, leaves_of(parameters_));
}

LossOutput StepGradients::compute(const Batch& batch, std::int64_t step) {
  // Incomplete batches occur in too many sizes, and too rarely, to be captured.
  const bool can_be_captured = batch.size() == full_batch_size_ && step >= task_.first_steady_step();
  if (graphed_ && can_be_captured) return compute_graphed(task_.to_static_shape(batch));
  if (num_parts_ > 1) return compute_in_parts(batch, step);
  const RowOutputs outputs = encode(batch, {0, batch.size()}, EncodePass::first);
  LossOutput output;
  run_last_pass([&] { output = backward(outputs, batch, step); });
  return output;
}

// Gradients are summed over the ranks during the pass after which they are complete.
void StepGradients::run_last_pass(const std::function<void()>& pass) const {
  if (sums_ != nullptr) {
    sums_->run(pass);
  } else {
    pass();
  }
}

RowOutputs StepGradients::encode(const Batch& batch, RowRange rows, EncodePass pass) {
  const Autocast autocast(device_.type(), precision_);
  RowOutputs outputs = task_.encode(batch, rows, pass);
  for (const RowOutput& output : outputs) {
    const bool may_be_undefined = pass == EncodePass::second && !output.is_trained;
    CLOOB_CHECK(output.rows.defined() ? output.rows.size(0) == rows.count : may_be_undefined,
                "an output of the task is not one row per sample");
  }
  return outputs;
}

LossOutput StepGradients::backward(const RowOutputs& outputs, const Batch& batch, std::int64_t step) {
  LossOutput output = task_.loss(outputs, batch, step);
  RECORD_USER_SCOPE("backward");
  (scaler_ ? scaler_->scale(output.loss) : output.loss).backward();
  output.loss = output.loss.detach();
  for (auto& [name, term] : output.terms) term = term.detach();
  return output;
}

// Gradient caching (Gao et al., 2021, "Scaling deep contrastive learning batch size under memory limited
// setup"): encodes all parts without gradients, computes one loss over all outputs, then encodes each part
// again and backpropagates the gradients of its outputs. Parameters of the loss itself get their gradients
// from the one loss.
LossOutput StepGradients::compute_in_parts(const Batch& batch, std::int64_t step) {
  const std::vector<RowRange> parts =
      split_into_parts(batch.size(), num_parts_, task_.encodes_collectively());
  std::vector<at::Tensor> random_states;
  std::vector<RowOutputs> outputs;
  {
    const at::NoGradGuard no_grad;
    const KeepRunningStatistics keep;
    for (const RowRange& rows : parts) {
      random_states.push_back(random_state(device_));
      outputs.push_back(encode(batch, rows, EncodePass::first));
    }
  }
  const RowOutputs all = concatenate(outputs);
  outputs.clear();
  LossOutput output = backward(all, batch, step);
  Fp32GradientSums sums;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    set_random_state(device_, random_states[part]);
    const RowOutputs recomputed = encode(batch, parts[part], EncodePass::second);
    CLOOB_CHECK(recomputed.size() == all.size(), "the task returned {} outputs, and then {}", all.size(),
                recomputed.size());
    std::vector<at::Tensor> roots, gradients;
    for (std::size_t i = 0; i < recomputed.size(); ++i) {
      if (!all[i].is_trained || !all[i].rows.grad().defined()) continue;  // not trained, or not in the loss
      roots.push_back(recomputed[i].rows);
      gradients.push_back(all[i].rows.grad().narrow(0, parts[part].first, parts[part].count));
    }
    const auto backward_of_part = [&] {
      RECORD_USER_SCOPE("backward");
      if (!roots.empty()) torch::autograd::backward(roots, gradients);
    };
    if (part + 1 == parts.size()) {
      run_last_pass(backward_of_part);
    } else {
      backward_of_part();
    }
    sums.accumulate_from(parameters_);
  }
  sums.assign_to(parameters_);
  return output;
}

LossOutput StepGradients::compute_graphed(const Batch& batch) {
  graphed_batch_ = batch;
  const std::vector<at::Tensor> results =
      graphed_->run({batch.images_BCHW, batch.tokens_BL, batch.end_positions_B});
  LossOutput output{.loss = results[0]};
  for (std::size_t i = 0; i < graphed_terms_.size(); ++i)
    output.terms.emplace_back(graphed_terms_[i], results[i + 1]);
  return output;
}

std::vector<at::Tensor> StepGradients::compute_captured(const std::vector<at::Tensor>& inputs) {
  Batch batch = graphed_batch_;
  batch.images_BCHW = inputs[0];
  batch.tokens_BL = inputs[1];
  batch.end_positions_B = inputs[2];
  const LossOutput output =
      backward(encode(batch, {0, batch.size()}, EncodePass::first), batch, task_.first_steady_step());
  graphed_terms_.clear();
  std::vector<at::Tensor> results = {output.loss};
  for (const auto& [name, term] : output.terms) {
    graphed_terms_.push_back(name);
    results.push_back(term);
  }
  return results;
}

}  // namespace cloob

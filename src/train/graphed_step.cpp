#include "train/graphed_step.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_zero.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

#include <string>

#include "cloob/base/error.h"
#include "cloob/base/first_line.h"

namespace cloob {

GraphedStep::GraphedStep(GraphFactory make_graph, Work work, std::vector<at::Tensor> leaves)
    : make_graph_(std::move(make_graph)), work_(std::move(work)), leaves_(std::move(leaves)) {}

std::vector<at::Tensor> GraphedStep::run(const std::vector<at::Tensor>& inputs) {
  for (const at::Tensor& leaf : leaves_)
    CLOOB_CHECK(!leaf.grad().defined(), "a leaf already has a gradient, to which the call would add");
  std::vector<Shape> shapes;
  for (const at::Tensor& input : inputs) shapes.push_back(input.sizes().vec());
  Captured& captured = captured_[shapes];
  if (++captured.num_calls <= kCallsBeforeCapture) return work_(inputs);
  const std::vector<at::Tensor> static_inputs = copy_inputs(inputs);
  attach_gradients();
  if (!captured.graph) capture(captured, static_inputs);
  captured.graph->replay();
  std::vector<at::Tensor> outputs;
  for (const at::Tensor& output : captured.outputs) outputs.push_back(output.clone());
  return outputs;
}

// Copies the inputs to the tensors from which the graphs read.
std::vector<at::Tensor> GraphedStep::copy_inputs(const std::vector<at::Tensor>& inputs) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> all;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    at::Tensor& input = static_inputs_[{i, inputs[i].sizes().vec()}];
    if (!input.defined()) input = at::empty_like(inputs[i]);
    input.copy_(inputs[i], /*non_blocking=*/true);
    all.push_back(input);
  }
  return all;
}

void GraphedStep::attach_gradients() {
  if (gradients_.empty()) {
    const at::NoGradGuard no_grad;
    for (const at::Tensor& leaf : leaves_) gradients_.push_back(at::zeros_like(leaf));
  }
  for (std::size_t i = 0; i < leaves_.size(); ++i) leaves_[i].mutable_grad() = gradients_[i];
}

void GraphedStep::capture(Captured& captured, const std::vector<at::Tensor>& static_inputs) {
  auto graph = make_graph_();
  try {
    graph->capture([this, &captured, static_inputs] {
      at::_foreach_zero_(gradients_);
      captured.outputs = work_(static_inputs);
    });
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error& error) {
    throw_user_error("train.cuda_graph: a step of this model cannot be captured ({}); train without it",
                     first_line(error.what_without_backtrace()));
  }
  captured.graph = std::move(graph);
}

}  // namespace cloob

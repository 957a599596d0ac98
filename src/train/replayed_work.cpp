#include "train/replayed_work.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_zero.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

#include <string>

#include "cloob/base/error.h"

namespace cloob {
namespace {

std::string first_line_of(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

}  // namespace

ReplayedWork::ReplayedWork(GraphFactory make_graph, Work work, std::vector<at::Tensor> leaves)
    : make_graph_(std::move(make_graph)), work_(std::move(work)), leaves_(std::move(leaves)) {}

at::Tensor ReplayedWork::run(const std::vector<at::Tensor>& inputs) {
  for (const at::Tensor& leaf : leaves_)
    CLOOB_CHECK(!leaf.grad().defined(), "a leaf has a gradient, which the call would add to");
  std::vector<Shape> shapes;
  for (const at::Tensor& input : inputs) shapes.push_back(input.sizes().vec());
  Recording& recording = recordings_[shapes];
  if (++recording.num_calls <= kCallsBeforeRecording) return work_(inputs);
  const std::vector<at::Tensor> held = hold(inputs);
  give_gradients();
  if (!recording.graph) record(recording, held);
  recording.graph->replay();
  return recording.output.clone();
}

// The inputs, where recordings read them.
std::vector<at::Tensor> ReplayedWork::hold(const std::vector<at::Tensor>& inputs) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> all;
  for (std::size_t place = 0; place < inputs.size(); ++place) {
    at::Tensor& held = held_inputs_[{place, inputs[place].sizes().vec()}];
    if (!held.defined()) held = at::empty_like(inputs[place]);
    held.copy_(inputs[place], /*non_blocking=*/true);
    all.push_back(held);
  }
  return all;
}

void ReplayedWork::give_gradients() {
  if (gradients_.empty()) {
    const at::NoGradGuard no_grad;
    for (const at::Tensor& leaf : leaves_) gradients_.push_back(at::zeros_like(leaf));
  }
  for (std::size_t i = 0; i < leaves_.size(); ++i) leaves_[i].mutable_grad() = gradients_[i];
}

void ReplayedWork::record(Recording& recording, const std::vector<at::Tensor>& held) {
  auto graph = make_graph_();
  try {
    graph->record([this, &recording, held] {
      at::_foreach_zero_(gradients_);
      recording.output = work_(held);
    });
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error& error) {
    throw_user_error("train.cuda_graph: a step of this model cannot be recorded ({}); train without it",
                     first_line_of(error));
  }
  recording.graph = std::move(graph);
}

}  // namespace cloob

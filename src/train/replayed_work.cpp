#include "train/replayed_work.h"

#include <ATen/core/grad_mode.h>

#include <cstddef>
#include <utility>

#include "cloob/base/error.h"

namespace cloob {
namespace {

// The first calls choose algorithms and make what libraries keep, which a recording must not.
constexpr int kCallsBeforeRecording = 2;

}  // namespace

ReplayedWork::ReplayedWork(c10::Device device, Work work, std::vector<at::Tensor> leaves)
    : device_(device), work_(std::move(work)), leaves_(std::move(leaves)) {}

at::Tensor ReplayedWork::run(const std::vector<at::Tensor>& inputs) {
  std::vector<std::vector<std::int64_t>> shapes;
  for (const at::Tensor& input : inputs) shapes.push_back(input.sizes().vec());
  Recording& recording = recordings_[shapes];
  if (++recording.num_calls <= kCallsBeforeRecording || !at::has_graph_impl(device_.type()))
    return work_(inputs);
  if (!recording.graph) record(recording, inputs);
  return replay(recording, inputs);
}

void ReplayedWork::record(Recording& recording, const std::vector<at::Tensor>& inputs) {
  for (const at::Tensor& leaf : leaves_)
    CLOOB_CHECK(!leaf.grad().defined(), "a leaf has a gradient, which the recording would add to");
  for (const at::Tensor& input : inputs) recording.inputs.push_back(input.clone());
  recording.graph = at::create_graph_impl(device_.type());
  recording.graph->capture_begin(pool_);
  recording.output = work_(recording.inputs);
  recording.graph->capture_end();
  pool_ = recording.graph->pool();
  for (const at::Tensor& leaf : leaves_) recording.gradients.push_back(leaf.grad());
}

at::Tensor ReplayedWork::replay(const Recording& recording, const std::vector<at::Tensor>& inputs) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < inputs.size(); ++i) recording.inputs[i].copy_(inputs[i], /*non_blocking=*/true);
  for (std::size_t i = 0; i < leaves_.size(); ++i) leaves_[i].mutable_grad() = recording.gradients[i];
  recording.graph->replay();
  return recording.output;
}

}  // namespace cloob

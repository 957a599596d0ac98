#include "cloob/nn/gradient_checkpointing.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "cloob/device/autocast.h"
#include "cloob/device/random_state.h"
#include "cloob/nn/running_statistics.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Function = std::function<at::Tensor(const at::Tensor& x)>;

struct RecomputeState final : torch::CustomClassHolder {
  RecomputeState(Function f, c10::Device device)
      : function(std::move(f)),
        autocast(AutocastState::current(device.type())),
        rng_state(random_state(device)) {}
  Function function;
  AutocastState autocast;
  at::Tensor rng_state;  // before the first run
};

class CheckpointFunction : public torch::autograd::Function<CheckpointFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const c10::intrusive_ptr<RecomputeState>& state) {
    context->save_for_backward({x});
    context->saved_data["state"] =
        c10::IValue::make_capsule(c10::static_intrusive_pointer_cast<torch::CustomClassHolder>(state));
    return state->function(x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto capsule = context->saved_data["state"].toCapsule();
    const RecomputeState& state = static_cast<const RecomputeState&>(*capsule);
    const at::Tensor x = context->get_saved_variables().front().detach().requires_grad_();
    at::Tensor y;
    {
      const at::AutoGradMode with_gradients(true);
      const KeepRunningStatistics keep;
      const Autocast autocast(state.autocast);
      const at::Tensor current_rng_state = random_state(x.device());
      set_random_state(x.device(), state.rng_state);
      y = state.function(x);
      set_random_state(x.device(), current_rng_state);
    }
    torch::autograd::backward({y}, {gradients.front()});
    return {x.grad(), {}};
  }
};

}  // namespace

at::Tensor checkpoint_gradients(const Function& function, const at::Tensor& x) {
  // In a frozen tower nothing is saved anyway.
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return function(x);
  return CheckpointFunction::apply(x, c10::make_intrusive<RecomputeState>(function, x.device()));
}

}  // namespace cloob

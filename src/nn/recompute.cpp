#include "cloob/nn/recompute.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "cloob/nn/autocast.h"
#include "cloob/nn/layers.h"
#include "cloob/nn/random_state.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Function = std::function<at::Tensor(const at::Tensor& x)>;

struct Recipe final : torch::CustomClassHolder {
  Recipe(Function f, c10::Device device)
      : function(std::move(f)),
        autocast(AutocastState::current(device.type())),
        random(random_state(device)) {}
  Function function;
  AutocastState autocast;
  at::Tensor random;  // before the first run
};

class RecomputeFunction : public torch::autograd::Function<RecomputeFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const c10::intrusive_ptr<Recipe>& recipe) {
    context->save_for_backward({x});
    context->saved_data["recipe"] =
        c10::IValue::make_capsule(c10::static_intrusive_pointer_cast<torch::CustomClassHolder>(recipe));
    return recipe->function(x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto capsule = context->saved_data["recipe"].toCapsule();
    const Recipe& recipe = static_cast<const Recipe&>(*capsule);
    const at::Tensor x = context->get_saved_variables().front().detach().requires_grad_();
    at::Tensor y;
    {
      const at::AutoGradMode with_gradients(true);
      const KeepRunningStatistics keep;
      const Autocast autocast(recipe.autocast);
      const at::Tensor now = random_state(x.device());
      set_random_state(x.device(), recipe.random);
      y = recipe.function(x);
      set_random_state(x.device(), now);
    }
    torch::autograd::backward({y}, {gradients.front()});
    return {x.grad(), {}};
  }
};

}  // namespace

at::Tensor recompute_in_backward(const Function& function, const at::Tensor& x) {
  // In a frozen tower nothing is kept anyway.
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return function(x);
  return RecomputeFunction::apply(x, c10::make_intrusive<Recipe>(function, x.device()));
}

}  // namespace cloob

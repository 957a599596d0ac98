#include "distributed/gradient_sums.h"

#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>
#include <optional>
#include <utility>

#include "cloob/base/rank_failure.h"

namespace cloob {
namespace {

using c10::ivalue::Future;
using torch::autograd::variable_list;

/// What the operations of a backward pass and its caller share.
struct Progress {
  RankWatch& watch;
  std::atomic<std::int64_t>& bytes;
  std::optional<RankWatch::Operation> waiting = std::nullopt;  // since the last bucket was sent
  std::atomic<bool> has_failed = false;                        // an operation, not the backward pass itself
};

// Sums a bucket. Without a hook the Reducer would divide by the number of ranks.
class SumHook final : public c10d::CommHookInterface {
 public:
  SumHook(c10::intrusive_ptr<c10d::ProcessGroup> group, bool in_bf16, Progress& progress)
      : group_(std::move(group)), in_bf16_(in_bf16), progress_(progress) {}

  c10::intrusive_ptr<Future> runHook(c10d::GradBucket& bucket) override {
    const at::Tensor gradients = bucket.getBuffer();
    std::vector<at::Tensor> sent = {in_bf16_ ? gradients.to(at::kBFloat16) : gradients};
    progress_.bytes += static_cast<std::int64_t>(sent[0].nbytes());
    if (bucket.isLast()) progress_.waiting.emplace(progress_.watch);
    const auto sum = group_->getBackend(gradients.device().type())->allreduce(sent)->getFuture();
    const auto finish = [gradients, sent, in_bf16 = in_bf16_, &progress = progress_](Future& done) {
      if (done.hasError()) progress.has_failed = true;
      static_cast<void>(done.value());  // throws the error
      return c10::IValue(in_bf16 ? gradients.copy_(sent[0]) : gradients);
    };
    return sum->then(finish, c10::TensorType::get());
  }
  at::Tensor parseHookResult(const c10::IValue& result) override { return result.toTensor(); }

 private:
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
  bool in_bf16_;
  Progress& progress_;
};

/// Records which parameters a backward pass reaches.
class ReachedParameters {
 public:
  explicit ReachedParameters(std::vector<at::Tensor> parameters)
      : parameters_(std::move(parameters)), is_reached_(parameters_.size(), 0) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const auto accumulator = torch::autograd::impl::grad_accumulator(parameters_[i]);
      const auto mark = [this, i](const variable_list& outputs, const variable_list&) {
        is_reached_[i] = 1;
        return outputs;
      };
      const auto key =
          accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(mark));
      hooks_.emplace_back(accumulator, key);
    }
  }
  ~ReachedParameters() {
    for (const auto& [accumulator, key] : hooks_) accumulator->del_post_hook(key);
  }
  ReachedParameters(const ReachedParameters&) = delete;  // its hooks refer to it
  ReachedParameters& operator=(const ReachedParameters&) = delete;

  void clear() { is_reached_.assign(is_reached_.size(), 0); }
  std::vector<at::Tensor> others() const {
    std::vector<at::Tensor> others;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (is_reached_[i] == 0) others.push_back(parameters_[i]);
    }
    return others;
  }

 private:
  std::vector<at::Tensor> parameters_;
  std::vector<char> is_reached_;
  // Older releases of LibTorch have another kind of pointer to a node.
  using NodePointer = decltype(torch::autograd::impl::grad_accumulator(at::Tensor()));
  std::vector<std::pair<NodePointer, std::uintptr_t>> hooks_;
};

std::vector<std::vector<std::size_t>> buckets_of(const std::vector<at::Tensor>& parameters,
                                                 std::int64_t bucket_bytes) {
  const auto bytes = static_cast<std::size_t>(bucket_bytes);
  // A small first bucket starts the communication early.
  const std::size_t first = std::min<std::size_t>(bytes, c10d::kDefaultFirstBucketBytes);
  return std::get<0>(c10d::compute_bucket_assignment_by_size(parameters, {first, bytes}));
}

class ReducerSums final : public GradientSums {
 public:
  ReducerSums(const c10::intrusive_ptr<c10d::ProcessGroup>& group, const std::vector<at::Tensor>& parameters,
              const GradientSumOptions& options, RankWatch& watch, std::atomic<std::int64_t>& bytes)
      : progress_{watch, bytes},
        reached_(parameters),
        reducer_(std::make_unique<c10d::Reducer>(
            parameters, buckets_of(parameters, options.bucket_bytes), group,
            std::vector<bool>(parameters.size(), false), options.bucket_bytes,
            /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
            /*param_names=*/std::unordered_map<std::size_t, std::string>(), c10d::kDefaultFirstBucketBytes,
            /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
            /*bucket_bytes_cap_list=*/std::vector<std::int64_t>())) {
    reducer_->register_comm_hook(std::make_unique<SumHook>(group, options.in_bf16, progress_));
    // Fixes the buckets. Otherwise it would note the parameters of every step, to make others from them.
    reducer_->push_rebuilt_params_for_all_indices();
    reducer_->rebuild_buckets();
  }

  void run(const std::function<void()>& last_backward) override {
    reached_.clear();
    reducer_->prepare_for_backward({});
    std::string error;
    try {
      last_backward();
      reach(reached_.others());
      progress_.waiting.reset();
      return;
    } catch (const std::exception& exception) {
      progress_.waiting.reset();
      if (!progress_.has_failed) throw;
      error = exception.what();
    }
    throw RankFailure(progress_.watch.reason_of_failure(error));
  }

 private:
  // The Reducer waits for every parameter. These have no gradient in this pass, but may have one of earlier passes.
  static void reach(const std::vector<at::Tensor>& parameters) {
    if (parameters.empty()) return;
    std::vector<at::Tensor> zeros;
    for (const at::Tensor& parameter : parameters)
      zeros.push_back(at::zeros({}, parameter.options()).expand_as(parameter));
    torch::autograd::backward(parameters, zeros);
  }

  Progress progress_;
  ReachedParameters reached_;
  std::unique_ptr<c10d::Reducer> reducer_;  // its destructor may throw
};

}  // namespace

std::unique_ptr<GradientSums> make_gradient_sums(c10::intrusive_ptr<c10d::ProcessGroup> group,
                                                 std::vector<at::Tensor> parameters,
                                                 const GradientSumOptions& options, RankWatch& watch,
                                                 std::atomic<std::int64_t>& bytes) {
  return std::make_unique<ReducerSums>(group, parameters, options, watch, bytes);
}

}  // namespace cloob

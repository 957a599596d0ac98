#include "support/simulated_ranks.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace cloob::testing {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct RankLeft : std::runtime_error {
  RankLeft() : std::runtime_error("another rank has failed or returned") {}
};

/// Where ranks meet: every rank brings tensors and gets those of all.
class Meeting {
 public:
  explicit Meeting(std::int64_t world_size) : size_(static_cast<std::size_t>(world_size)), brought_(size_) {}

  std::vector<variable_list> exchange(std::size_t rank, variable_list tensors) {
    std::unique_lock lock(mutex_);
    wait(lock, [this] { return num_read_ == 0; });  // the meeting before is over
    brought_[rank] = std::move(tensors);
    ++num_brought_;
    changed_.notify_all();
    wait(lock, [this] { return num_brought_ == size_; });
    std::vector<variable_list> all = brought_;
    if (++num_read_ == size_) {
      num_brought_ = num_read_ = 0;
    }
    changed_.notify_all();
    wait(lock, [this] { return num_read_ == 0; });
    return all;
  }
  /// A rank takes part in no further exchange; those that wait for it fail.
  void leave() {
    const std::lock_guard lock(mutex_);
    has_left_ = true;
    changed_.notify_all();
  }

 private:
  template <class Condition>
  void wait(std::unique_lock<std::mutex>& lock, const Condition& condition) {
    changed_.wait(lock, [&] { return has_left_ || condition(); });
    if (!condition()) throw RankLeft();
  }

  std::size_t size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<variable_list> brought_;
  std::size_t num_brought_ = 0, num_read_ = 0;
  bool has_left_ = false;
};

class GatherFunction : public torch::autograd::Function<GatherFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& local_BD, Meeting* meeting,
                            std::int64_t rank, std::int64_t* first_row) {
    std::vector<at::Tensor> rows;
    for (const variable_list& of_rank :
         meeting->exchange(static_cast<std::size_t>(rank), {local_BD.detach()})) {
      if (std::ssize(rows) == rank) {
        *first_row = 0;
        for (const at::Tensor& before : rows) *first_row += before.size(0);
      }
      rows.push_back(of_rank[0]);
    }
    context->saved_data["meeting"] = reinterpret_cast<std::int64_t>(meeting);
    context->saved_data["rank"] = rank;
    context->saved_data["first"] = *first_row;
    context->saved_data["count"] = local_BD.size(0);
    return at::cat(rows);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    auto* const meeting = reinterpret_cast<Meeting*>(context->saved_data["meeting"].toInt());
    const std::int64_t first = context->saved_data["first"].toInt(),
                       count = context->saved_data["count"].toInt();
    at::Tensor sum;
    for (const variable_list& of_rank :
         meeting->exchange(static_cast<std::size_t>(context->saved_data["rank"].toInt()), {gradients[0]})) {
      const at::Tensor own = of_rank[0].narrow(0, first, count);
      sum = sum.defined() ? sum.add(own) : own.clone();
    }
    return {sum, {}, {}, {}};
  }
};

class ThreadRank final : public Collectives {
 public:
  ThreadRank(Meeting& meeting, std::int64_t rank, std::int64_t world_size)
      : meeting_(meeting), rank_(rank), world_size_(world_size) {}

  std::int64_t rank() const override { return rank_; }
  std::int64_t world_size() const override { return world_size_; }
  GatheredRows gather_rows(const at::Tensor& local_BD) const override {
    GatheredRows gathered;
    gathered.rows_ND = GatherFunction::apply(local_BD, &meeting_, rank_, &gathered.first_row);
    return gathered;
  }
  void sum_in_place(std::span<const at::Tensor> tensors) const override {
    const at::NoGradGuard no_grad;
    variable_list own;
    for (const at::Tensor& tensor : tensors) own.push_back(tensor.clone());
    const std::vector<variable_list> all = exchange(std::move(own));
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      tensors[i].zero_();
      for (const variable_list& of_rank : all) tensors[i].add_(of_rank[i]);
    }
  }
  double max(double number) const override {
    double largest = number;
    for (const variable_list& of_rank : exchange({at::scalar_tensor(number, at::kDouble)}))
      largest = std::max(largest, of_rank[0].item<double>());
    return largest;
  }
  void broadcast(const NamedTensors& tensors) const override {
    const at::NoGradGuard no_grad;
    variable_list own;
    for (const auto& [name, tensor] : tensors) own.push_back(tensor.detach().clone());
    const std::vector<variable_list> all = exchange(std::move(own));
    std::size_t i = 0;
    for (const auto& [name, tensor] : tensors) tensor.copy_(all[0][i++]);
  }

 private:
  std::vector<variable_list> exchange(variable_list tensors) const {
    return meeting_.exchange(static_cast<std::size_t>(rank_), std::move(tensors));
  }

  Meeting& meeting_;
  std::int64_t rank_, world_size_;
};

}  // namespace

void run_ranks(std::int64_t world_size, const std::function<void(const Collectives& collectives)>& work) {
  Meeting meeting(world_size);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(world_size));
  std::vector<std::thread> threads;
  for (std::int64_t rank = 0; rank < world_size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        work(ThreadRank(meeting, rank, world_size));
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
      }
      meeting.leave();
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::exception_ptr first;
  for (const std::exception_ptr& error : errors) {
    if (!error) continue;
    try {
      std::rethrow_exception(error);
    } catch (const RankLeft&) {  // a consequence
      if (!first) first = error;
    } catch (...) {
      std::rethrow_exception(error);
    }
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace cloob::testing

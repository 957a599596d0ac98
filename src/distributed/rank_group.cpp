#include "distributed/rank_group.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <sched.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <thread>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/first_line.h"
#include "cloob/base/host_name.h"
#include "cloob/base/rank_failure.h"
#include "cloob/base/text.h"
#include "distributed/gradient_sums.h"
#include "distributed/process_group.h"
#include "distributed/rank_keys.h"
#include "distributed/rank_watch.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::chrono::milliseconds kPoll{50};

// What has a time-out of its own says more, so that it comes first.
constexpr std::chrono::seconds kMargin{10};

std::string silence_of_rank_0(const RankEnvironment& environment, std::chrono::seconds time) {
  return fmt::format(
      "rank {}: rank 0 ({}:{}) has not answered for {} seconds: it is stopped, or its machine is gone",
      environment.rank, environment.address, environment.port, time.count());
}

// The first line in which two texts differ: "'a' on rank 0 and 'b' on rank 3".
std::string first_difference(const std::string& of_rank_0, const std::string& own, std::int64_t rank) {
  const std::vector<std::string> theirs = split(of_rank_0, '\n'), ours = split(own, '\n');
  const std::size_t lines = std::max(theirs.size(), ours.size());
  for (std::size_t i = 0; i < lines; ++i) {
    const std::string a = i < theirs.size() ? theirs[i] : "", b = i < ours.size() ? ours[i] : "";
    if (a != b) return fmt::format("'{}' on rank 0 and '{}' on rank {}", trim(a), trim(b), rank);
  }
  return "line ends";
}

std::int64_t first_row_of(const std::vector<std::int64_t>& counts, std::int64_t rank) {
  return std::accumulate(counts.begin(), counts.begin() + rank, std::int64_t{0});
}

class GatherRows : public torch::autograd::Function<GatherRows> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& local_BD, const RankGroup* group,
                            std::int64_t* first_row) {
    const std::int64_t rows = local_BD.size(0);
    const at::Tensor counts_W = group->gather_equal(at::scalar_tensor(rows, at::kLong));
    const auto* const first_count = counts_W.const_data_ptr<std::int64_t>();
    const std::vector<std::int64_t> counts(first_count, first_count + counts_W.numel());
    *first_row = first_row_of(counts, group->rank());
    context->saved_data["group"] = reinterpret_cast<std::int64_t>(group);
    context->saved_data["counts"] = counts;
    const auto [fewest, most] = std::ranges::minmax(counts);
    if (fewest == most) return group->gather_equal(local_BD.detach().contiguous()).flatten(0, 1);
    std::vector<std::int64_t> shape = local_BD.sizes().vec();
    shape[0] = most;
    const at::Tensor padded = at::zeros(shape, local_BD.options());
    padded.narrow(0, 0, rows).copy_(local_BD.detach());
    std::vector<at::Tensor> blocks = group->gather_equal(padded).unbind();
    for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = blocks[i].narrow(0, 0, counts[i]);
    return at::cat(blocks);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto* group = reinterpret_cast<const RankGroup*>(context->saved_data["group"].toInt());
    return {group->sum_and_scatter(gradients[0], context->saved_data["counts"].toIntVector()), {}, {}};
  }
};

// Of the ranks of one machine, which launchers number from 0.
std::string processors_key(std::int64_t local_rank) {
  return rank_key("processors/" + host_name(), local_rank);
}

// A digit for each processor that this process may use.
std::string own_processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::string digits;
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return "1";
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) digits += CPU_ISSET(cpu, &allowed) ? '1' : '0';
  return digits.substr(0, digits.rfind('1') + 1);
}

}  // namespace

StoreLease::~StoreLease() {
  constexpr std::chrono::seconds kPatience{5};
  const std::int64_t rank = environment_.rank, world_size = environment_.world_size;
  try {
    store_.set(rank_key("left", rank), "");
    if (rank > 0 || environment_.launcher_hosts_store) return;
    const auto is_here = [&](std::int64_t other) {
      return store_.has_all({rank_key("arrived", other)}) && !store_.has_all({rank_key("left", other)});
    };
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (std::int64_t other = 1; other < world_size; ++other) {
      while (is_here(other) && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(kPoll);
    }
  } catch (const std::exception&) {  // the others have ended
  }
}

RankGroup::RankGroup(const RankEnvironment& environment, c10::Device device, const RankTimeouts& timeouts,
                     const std::string& agreement)
    : environment_(environment),
      device_(device),
      timeouts_(timeouts),
      deadline_(std::in_place, timeouts.start + kMargin, silence_of_rank_0(environment, timeouts.start)),
      store_(environment, timeouts.start),
      lease_(store_, environment_) {
  try {
    connect(agreement);
  } catch (const RankFailure&) {
    throw;
  } catch (const std::exception& error) {
    report_failure(first_line(error.what()));
    throw;
  }
}

void RankGroup::connect(const std::string& agreement) {
  store_.set(processors_key(environment_.local_rank), own_processors());
  store_.set(rank_key("arrived", rank()), host_name());
  begin_phase_of_start();
  wait_for_all("arrived", "did not arrive");
  share_processors();
  begin_phase_of_start();
  require_agreement(device_.is_cpu() ? agreement
                                     : fmt::format("{}\nCLOOB_GPU_BACKEND: {}", agreement,
                                                   sends_gpu_tensors_through_host() ? "gloo" : "nccl"));
  watch_ = std::make_unique<RankWatch>(store_, environment_, timeouts_);
  deadline_.reset();
  group_ = connect_process_group("operations");
  if (!device_.is_cpu()) connect_gpus();
}

// Until the watch can look after it: requests to the store never return if the process that hosts it is stopped.
void RankGroup::begin_phase_of_start() {
  deadline_.emplace(timeouts_.start + kMargin, silence_of_rank_0(environment_, timeouts_.start));
}

c10::intrusive_ptr<c10d::ProcessGroup> RankGroup::connect_process_group(const std::string& name) const {
  return make_process_group(store_.c10d_store(), name, environment_, device_, timeouts_.start);
}

// The first operation sets up NCCL's communicator, for which NCCL has no time-out.
void RankGroup::connect_gpus() const {
  if (sends_gpu_tensors_through_host()) return;
  const Deadline deadline(timeouts_.start,
                          fmt::format("NCCL has not connected the GPUs of the ranks within {} seconds "
                                      "(distributed.start_timeout_seconds); with NCCL_DEBUG=INFO it says why",
                                      timeouts_.start.count()));
  const at::Tensor number = at::zeros({1}, at::TensorOptions(device_).dtype(at::kFloat));
  sum_flat(number);
  static_cast<void>(number.item<float>());  // waits for the GPU
}

// From here on nobody watches.
RankGroup::~RankGroup() {
  watch_.reset();
  deadline_.emplace(timeouts_.step + kMargin, silence_of_rank_0(environment_, timeouts_.step));
}

// Names the ranks that are missing when the time is over.
void RankGroup::wait_for_all(const std::string& key, const char* what) const {
  std::vector<std::string> keys;
  for (std::int64_t other = 0; other < world_size(); ++other) keys.push_back(rank_key(key, other));
  const auto end = std::chrono::steady_clock::now() + timeouts_.start;
  while (!store_.has_all(keys)) {
    if (const auto failure = store_.find(kFailureKey)) throw RankFailure(*failure);
    if (std::chrono::steady_clock::now() > end) {
      std::vector<std::string> missing;
      for (std::int64_t other = 0; other < world_size(); ++other) {
        if (!store_.has_all({rank_key(key, other)})) missing.push_back(std::to_string(other));
      }
      constexpr std::size_t kMax = 10;
      const std::size_t count = missing.size();
      missing.resize(std::min(count, kMax));
      throw_user_error(
          "rank {}{} of {} {} within {} seconds: look at its log; distributed.start_timeout_seconds sets the time",
          join(missing, ", "), count > kMax ? fmt::format(" and {} others", count - kMax) : "", world_size(),
          what, timeouts_.start.count());
    }
    std::this_thread::sleep_for(kPoll);
  }
}

// Launchers may bind each rank to processors of its own, or let all use the same.
void RankGroup::share_processors() {
  const std::string own = own_processors();
  std::int64_t sharing = 0;
  for (std::int64_t local = 0; local < environment_.local_world_size; ++local) {
    if (store_.find(processors_key(local)) == own) ++sharing;
  }
  processors_ = std::max<std::int64_t>(1, std::ranges::count(own, '1') / std::max<std::int64_t>(1, sharing));
}

void RankGroup::require_agreement(const std::string& agreement) const {
  if (rank() == 0) store_.set(kAgreementKey, agreement);
  const std::string of_rank_0 = store_.get(kAgreementKey);
  if (of_rank_0 != agreement) {
    const std::string message =
        fmt::format("the ranks do not agree: {}", first_difference(of_rank_0, agreement, rank()));
    store_.set_if_absent(kFailureKey, message);
    throw UserError(message);
  }
  store_.set(rank_key("agrees", rank()), "");
  wait_for_all("agrees", "did not confirm its settings");
}

template <class Start>
void RankGroup::run(std::span<const at::Tensor> sent, const Start& start) const {
  for (const at::Tensor& tensor : sent) bytes_ += static_cast<std::int64_t>(tensor.nbytes());
  std::string message;
  try {
    const RankWatch::Operation operation(*watch_);
    start(*group_->getBackend(sent.front().device().type()))->wait(kNever);
    return;
  } catch (const std::exception& error) {
    message = error.what();
  }
  throw RankFailure(watch_->reason_of_failure(message));
}

CommunicationTotals RankGroup::communication() const { return {watch_->waited_seconds(), bytes_}; }

// A group of its own: on a rank without rows the backward pass reaches the parameters at another time than on the others.
std::unique_ptr<GradientSums> RankGroup::gradient_sums(std::vector<at::Tensor> parameters,
                                                       const GradientSumOptions& options) const {
  max(0);  // waits for ranks that are still opening their data: connecting has a time-out
  return make_gradient_sums(connect_process_group("gradients"), std::move(parameters), options, *watch_,
                            bytes_);
}

at::Tensor RankGroup::gather_equal(const at::Tensor& local) const {
  std::vector<std::int64_t> shape = local.sizes().vec();
  shape.insert(shape.begin(), world_size());
  const at::Tensor all = at::empty(shape, local.options());
  if (local.numel() == 0) return all;
  std::vector<std::vector<at::Tensor>> outputs = {all.unbind()};
  std::vector<at::Tensor> inputs = {local};
  run(inputs, [&](c10d::Backend& backend) { return backend.allgather(outputs, inputs); });
  return all;
}

at::Tensor RankGroup::sum_and_scatter(const at::Tensor& rows_ND,
                                      const std::vector<std::int64_t>& counts) const {
  const at::NoGradGuard no_grad;
  const at::Tensor sum = rows_ND.clone(at::MemoryFormat::Contiguous);
  if (sum.numel() > 0) sum_flat(sum);
  return sum.narrow(0, first_row_of(counts, rank()), counts[static_cast<std::size_t>(rank())]);
}

GatheredRows RankGroup::gather_rows(const at::Tensor& local_BD) const {
  GatheredRows gathered;
  gathered.rows_ND = GatherRows::apply(local_BD, this, &gathered.first_row);
  return gathered;
}

void RankGroup::sum_flat(const at::Tensor& flat) const {
  std::vector<at::Tensor> tensors = {flat};
  run(tensors, [&](c10d::Backend& backend) { return backend.allreduce(tensors); });
}

// In buckets, because one operation for each tensor would cost more than its bytes.
void RankGroup::sum_in_place(std::span<const at::Tensor> tensors) const {
  constexpr std::int64_t kBucketBytes = 32 << 20;
  const at::NoGradGuard no_grad;
  std::map<at::ScalarType, std::vector<at::Tensor>> buckets;
  std::map<at::ScalarType, std::int64_t> bytes;
  const auto sum = [&](std::vector<at::Tensor>& bucket) {
    std::vector<at::Tensor> flat;
    for (const at::Tensor& tensor : bucket) flat.push_back(tensor.reshape({-1}));
    const at::Tensor all = at::cat(flat);
    sum_flat(all);
    std::int64_t begin = 0;
    for (const at::Tensor& tensor : bucket) {
      tensor.copy_(all.narrow(0, begin, tensor.numel()).view(tensor.sizes()));
      begin += tensor.numel();
    }
    bucket.clear();
  };
  for (const at::Tensor& tensor : tensors) {
    const at::ScalarType type = tensor.scalar_type();
    buckets[type].push_back(tensor);
    if ((bytes[type] += static_cast<std::int64_t>(tensor.nbytes())) < kBucketBytes) continue;
    sum(buckets[type]);
    bytes[type] = 0;
  }
  for (auto& [type, bucket] : buckets) {
    if (!bucket.empty()) sum(bucket);
  }
}

double RankGroup::max(double number) const {
  std::vector<at::Tensor> tensors = {at::scalar_tensor(number, at::kDouble).reshape({1})};
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp::MAX;
  run(tensors, [&](c10d::Backend& backend) { return backend.allreduce(tensors, options); });
  return tensors[0].item<double>();
}

void RankGroup::announce(RankActivity activity) const { watch_->announce(activity); }

void RankGroup::broadcast(const NamedTensors& tensors) const {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.numel() == 0) continue;
    std::vector<at::Tensor> sent = {tensor.detach().contiguous()};
    run(sent, [&](c10d::Backend& backend) { return backend.broadcast(sent); });
    if (!tensor.is_contiguous()) tensor.detach().copy_(sent[0]);
  }
}

void RankGroup::report_failure(const std::string& message) noexcept {
  try {
    store_.set_if_absent(kFailureKey, fmt::format("rank {} of {} on {} failed: {}", rank(), world_size(),
                                                  host_name(), message));
  } catch (const std::exception&) {  // its host is gone
  }
}

}  // namespace cloob

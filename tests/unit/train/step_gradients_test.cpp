#include "train/step_gradients.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <set>
#include <string>
#include <vector>

#include "support/named_tensors.h"
#include "support/support.h"
#include "unit/train/rerun_graph.h"
#include "unit/train/tiny_training.h"

namespace cloob {
namespace {

using testing::batch_of;
using testing::config_of;

/// A task with its StepGradients.
class Gradients {
 public:
  Gradients(const RunConfig& config, GraphFactory graphs)
      : training_(config),
        gradients_(config.train, training_.task, /*scaler=*/nullptr, /*sums=*/nullptr, at::kCPU,
                   std::move(graphs)) {}

  /// Returns the gradients, the buffers and, as "loss", the loss.
  NamedTensors compute(const Batch& batch, std::int64_t step) {
    const TrainedParameters parameters = training_.task.parameters();
    for (const auto& [name, parameter] : parameters) parameter.tensor.mutable_grad().reset();
    NamedTensors result{{"loss", gradients_.compute(batch, step).loss}};
    for (const auto& [name, parameter] : parameters) result.emplace(name, parameter.tensor.grad().clone());
    for (const auto& item : training_.model->named_buffers())
      result.emplace(item.key(), item.value().clone());
    return result;
  }

 private:
  testing::TinyTraining training_;
  StepGradients gradients_;
};

// A different batch for every step, with captions of at most `max_length` tokens.
Batch batch_of_step(const RunConfig& config, std::int64_t step, std::int64_t size, std::int64_t max_length) {
  Batch batch = batch_of(config, size, static_cast<std::uint64_t>(step));
  batch.tokens_BL = batch.tokens_BL.narrow(1, 0, max_length);
  batch.end_positions_B = batch.end_positions_B.clamp_max(max_length - 1);
  return batch;
}

RunConfig captured_config(ImageEncoderKind kind) {
  RunConfig config = config_of(kind);
  config.train.global_batch_size = 16;
  config.train.cuda_graph = true;
  return config;
}

TEST(StepGradients, AreTheSameWithCapture) {
  for (const ImageEncoderKind kind : {ImageEncoderKind::vit, ImageEncoderKind::resnet}) {
    RunConfig config = captured_config(kind);
    config.retrieval.warmup_steps = 2;
    int num_captures = 0;
    Gradients captured(config, [&] {
      ++num_captures;
      return std::make_unique<testing::RerunGraph>();
    });
    Gradients plain(config, {});
    for (std::int64_t step = 0; step < 12; ++step) {
      // Captured with 8 and 10 tokens; the last batch is incomplete.
      const Batch batch = batch_of_step(config, step, step == 11 ? 14 : 16, step % 2 == 0 ? 6 : 9);
      const NamedTensors expected = plain.compute(batch, step), actual = captured.compute(batch, step);
      ASSERT_EQ(actual.size(), expected.size());
      for (const auto& [name, tensor] : expected)
        testing::expect_close(actual.at(name), tensor, 1e-6, 1e-9, name + " " + std::to_string(step));
    }
    EXPECT_EQ(num_captures, 2);
  }
}

/// Records the names of the operators that this thread calls during the lifetime of the object.
class CalledOperators {
 public:
  CalledOperators() {
    names().clear();
    handle_ =
        at::addThreadLocalCallback(at::RecordFunctionCallback([](const at::RecordFunction& function)
                                                                  -> std::unique_ptr<at::ObserverContext> {
                                     names().insert(function.name());
                                     return nullptr;
                                   }).scopes({at::RecordScope::FUNCTION}));
  }
  ~CalledOperators() { at::removeCallback(handle_); }
  CalledOperators(const CalledOperators&) = delete;
  CalledOperators& operator=(const CalledOperators&) = delete;

  static std::set<std::string>& names() {
    static std::set<std::string> names;
    return names;
  }

 private:
  at::CallbackHandle handle_;
};

// A GPU cannot capture operators that read values, or whose output sizes depend on values.
TEST(StepGradients, AreCapturedWithoutReadingValues) {
  for (const ImageEncoderKind kind : {ImageEncoderKind::vit, ImageEncoderKind::resnet}) {
    for (const bool learn_beta : {true, false}) {
      RunConfig config = captured_config(kind);
      config.retrieval.learn_beta = learn_beta;
      if (kind == ImageEncoderKind::vit) config.model.image.patch_dropout = 0.5;
      Gradients captured(config, [] { return std::make_unique<testing::RerunGraph>(); });
      const Batch batch = batch_of(config, 16);
      for (std::int64_t step = 0; step < 2; ++step) captured.compute(batch, step);
      const CalledOperators called;
      captured.compute(batch, 2);
      for (const char* name : {"aten::_foreach_zero_", "aten::embedding_dense_backward"})
        EXPECT_TRUE(called.names().contains(name)) << name;
      for (const char* name :
           {"aten::item", "aten::_local_scalar_dense", "aten::is_nonzero", "aten::nonzero",
            "aten::masked_select", "aten::equal", "aten::_unique2", "aten::repeat_interleave"}) {
        EXPECT_FALSE(called.names().contains(name)) << name;
      }
    }
  }
}

}  // namespace
}  // namespace cloob

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
using testing::model_of;

/// A model with what gives it its gradients.
class Gradients {
 public:
  Gradients(const RunConfig& config, GraphFactory graphs)
      : model_(model_of(config)),
        objective_(config.loss, config.retrieval, at::kCPU),
        parameters_(objective_.parameters()) {
    for (const auto& item : model_->named_parameters()) parameters_.emplace(item.key(), item.value());
    gradients_.emplace(config, model_, objective_, parameters_, nullptr, at::kCPU, std::move(graphs));
  }

  /// The gradients, the buffers and, as "loss", the loss.
  NamedTensors compute(const Batch& batch, std::int64_t step) {
    for (const auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
    NamedTensors result{{"loss", gradients_->compute(batch, step)}};
    for (const auto& [name, parameter] : parameters_) result.emplace(name, parameter.grad().clone());
    for (const auto& item : model_->named_buffers()) result.emplace(item.key(), item.value().clone());
    return result;
  }

 private:
  DualEncoder model_;
  ContrastiveObjective objective_;
  NamedTensors parameters_;
  std::optional<StepGradients> gradients_;
};

// Other pairs in every step, with captions of at most so many tokens.
Batch batch_of_step(const RunConfig& config, std::int64_t step, std::int64_t size, std::int64_t longest) {
  Batch batch = batch_of(config, size, static_cast<std::uint64_t>(step));
  batch.tokens_BL = batch.tokens_BL.narrow(1, 0, longest);
  batch.end_positions_B = batch.end_positions_B.clamp_max(longest - 1);
  return batch;
}

RunConfig recorded_config(ImageEncoderKind kind) {
  RunConfig config = config_of(kind);
  config.train.global_batch_size = 16;
  config.train.cuda_graph = true;
  return config;
}

TEST(StepGradients, AreTheSameWhenTheyAreRecorded) {
  for (const ImageEncoderKind kind : {ImageEncoderKind::vit, ImageEncoderKind::resnet}) {
    RunConfig config = recorded_config(kind);
    config.retrieval.warmup_steps = 2;
    int num_recordings = 0;
    Gradients recorded(config, [&] {
      ++num_recordings;
      return std::make_unique<testing::RerunGraph>();
    });
    Gradients plain(config, {});
    for (std::int64_t step = 0; step < 12; ++step) {
      // 8 and 10 tokens when they are recorded; the last batch lacks pairs.
      const Batch batch = batch_of_step(config, step, step == 11 ? 14 : 16, step % 2 == 0 ? 6 : 9);
      const NamedTensors expected = plain.compute(batch, step), actual = recorded.compute(batch, step);
      ASSERT_EQ(actual.size(), expected.size());
      for (const auto& [name, tensor] : expected)
        testing::expect_close(actual.at(name), tensor, 1e-6, 1e-9, name + " " + std::to_string(step));
    }
    EXPECT_EQ(num_recordings, 2);
  }
}

/// Names of the operators that this thread calls as long as the object lives.
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

// A GPU cannot record what reads values, or has results whose sizes depend on values.
TEST(StepGradients, AreRecordedWithoutReadingValues) {
  for (const ImageEncoderKind kind : {ImageEncoderKind::vit, ImageEncoderKind::resnet}) {
    for (const bool learn_beta : {true, false}) {
      RunConfig config = recorded_config(kind);
      config.retrieval.learn_beta = learn_beta;
      if (kind == ImageEncoderKind::vit) config.model.image.patch_dropout = 0.5;
      Gradients recorded(config, [] { return std::make_unique<testing::RerunGraph>(); });
      const Batch batch = batch_of(config, 16);
      for (std::int64_t step = 0; step < 2; ++step) recorded.compute(batch, step);
      const CalledOperators called;
      recorded.compute(batch, 2);
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

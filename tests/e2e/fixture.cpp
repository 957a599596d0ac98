#include "e2e/fixture.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "cloob/base/files.h"
#include "cloob/checkpoint/safetensors.h"

namespace cloob::testing {
namespace {

constexpr const char* kRecipe = R"(include: {}/configs/test/test-resnet.yaml
data:
  train: data/train/*.tar
  val: data/validation/*.tar
  webdataset: {{json_caption_field: captions}}
  caption_choice: random
  threads: 2
image: {{crop_scale: [0.5, 1.0], horizontal_flip_probability: 0.5, color_jitter: [0.4, 0.4, 0.4, 0.1], color_jitter_probability: 0.8}}
loss: {{kind: info_loob, inv_tau: 30, learn_inv_tau: false}}
retrieval: {{kind: hopfield, beta: 8, learn_beta: true}}
optimizer: {{lr: 1e-3}}
schedule: {{warmup_steps: 4}}
train: {{global_batch_size: 24, steps: 16, threads: 2, seed: 7}}
checkpoint: {{every_steps: 3, every_epochs: 0, keep_last: 2}}
eval: {{every_epochs: 2, loss_batch_size: 16, batch_size: 16}}
report: {{every_steps: 1, tensorboard: false}}
)";

}  // namespace

const std::filesystem::path& tiny_project() {
  static const TempDir folder;
  static const bool made = [] {
    const ProgramResult result =
        run_cloob(folder.path(), {"data", "render-shapes", "data", "--image-size", "40", "--train", "96",
                                  "--validation", "32", "--held-out", "32", "--samples-per-shard", "40"});
    if (result.exit_status != 0) throw std::runtime_error("render-shapes failed: " + result.errors);
    write_file_atomically(folder / "tiny.yaml", fmt::format(kRecipe, source_dir().string()));
    return true;
  }();
  static_cast<void>(made);
  return folder.path();
}

std::vector<std::string> train_arguments(const std::string& run_dir, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"train", "tiny.yaml", "--run-dir", run_dir};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

NamedTensors final_tensors(const std::filesystem::path& run) {
  NamedTensors all;
  for (const std::string file : {"weights.safetensors", "training.safetensors"}) {
    for (auto& [name, tensor] : read_safetensors(run / "checkpoints" / "step_00000016" / file).tensors)
      all.emplace(file + ":" + name, tensor);
  }
  return all;
}

void wait_for_lines(BackgroundProgram& program, const std::filesystem::path& run, std::int64_t lines) {
  // A run that starts anew removes the file of an earlier one, at any moment.
  const auto num_lines = [&]() -> std::int64_t {
    std::ifstream metrics(run / "metrics.jsonl");
    return std::count(std::istreambuf_iterator<char>(metrics), {}, '\n');
  };
  while (program.is_running() && num_lines() < lines) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace cloob::testing

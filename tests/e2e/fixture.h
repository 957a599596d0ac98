// A rendered data set and a recipe that trains on it in seconds, shared by all tests of one executable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/base/named_tensors.h"
#include "e2e/program.h"
#include "support/support.h"

namespace cloob::testing {

/// Folder with `data/` (render-shapes: 96 training pairs in shards of 40) and `tiny.yaml` (a ResNet with
/// batch norm, CLOOB, random crops and captions, two threads, 4 steps an epoch). Created once, removed at the
/// end of the process.
const std::filesystem::path& tiny_project();

/// "train tiny.yaml --run-dir DIR ..." for run_cloob.
std::vector<std::string> train_arguments(const std::string& run_dir, const std::vector<std::string>& more);

/// Every tensor of the checkpoint that a run of the recipe's 16 steps ends with, "FILE:NAME".
NamedTensors final_tensors(const std::filesystem::path& run);

/// Waits while the program runs and its run folder has fewer lines of metrics.
void wait_for_lines(BackgroundProgram& program, const std::filesystem::path& run, std::int64_t lines);

}  // namespace cloob::testing

#pragma once

#include <string>
#include <vector>

namespace cloob {

/// The GPUs that this process may use, each as a value of CUDA_VISIBLE_DEVICES for a process that may use it alone; empty
/// without CUDA.
std::vector<std::string> visible_gpus();

}  // namespace cloob

#include "cloob/device/visible_gpus.h"

#include <ATen/Context.h>

#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "cloob/base/text.h"

namespace cloob {

std::vector<std::string> visible_gpus() {
  const auto count =
      at::hasCUDA() ? static_cast<std::size_t>(at::detail::getCUDAHooks().deviceCount()) : std::size_t{0};
  std::vector<std::string> gpus;
  for (std::size_t i = 0; i < count; ++i) gpus.push_back(std::to_string(i));
  // Numbers or identifiers of GPUs in the order in which this process sees them.
  const char* const variable = std::getenv("CUDA_VISIBLE_DEVICES");
  if (variable == nullptr || std::string_view(variable).empty()) return gpus;
  std::vector<std::string> names = split(variable, ',');
  if (names.size() < count) return gpus;
  for (std::size_t i = 0; i < count; ++i) gpus[i] = std::string(trim(names[i]));
  return gpus;
}

}  // namespace cloob

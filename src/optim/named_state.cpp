#include "optim/named_state.h"

#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/tensor_copies.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

// The names that are in one but not in the other, like "3 (for example 'a', 'b')"; empty if there are none.
std::string names_only_in(const NamedTensors& one, const NamedTensors& other) {
  constexpr std::size_t kMaxShown = 3;
  std::size_t count = 0;
  std::vector<std::string> shown;
  for (const auto& [name, tensor] : one) {
    if (other.contains(name)) continue;
    if (++count <= kMaxShown) shown.push_back(fmt::format("'{}'", name));
  }
  return count == 0 ? std::string() : fmt::format("{} (for example {})", count, join(shown, ", "));
}

}  // namespace

void require_same_shapes(std::string_view what, const NamedTensors& saved, const NamedTensors& live) {
  const std::string missing = names_only_in(live, saved), unknown = names_only_in(saved, live);
  if (!missing.empty() || !unknown.empty()) {
    throw_user_error(
        "the saved {} state does not match this run: missing tensors: {}; unexpected tensors: {}; resume "
        "with the settings of the run that saved it",
        what, missing.empty() ? "none" : missing, unknown.empty() ? "none" : unknown);
  }
  for (const auto& [name, tensor] : live) {
    const at::Tensor& source = saved.at(name);
    if (source.sizes() == tensor.sizes()) continue;
    throw_user_error(
        "the saved {} state has '{}' with shape ({}), this model needs ({}): resume with the model settings "
        "of the run that saved it",
        what, name, fmt::join(source.sizes(), ", "), fmt::join(tensor.sizes(), ", "));
  }
}

void copy_state(std::string_view what, const NamedTensors& saved, const NamedTensors& live) {
  require_same_shapes(what, saved, live);
  copy_values(live, saved);
}

}  // namespace cloob

#include "cloob/text/padding.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace cloob {

at::Tensor without_padding(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) {
  const std::span ends(end_positions_B.const_data_ptr<std::int64_t>(),
                       static_cast<std::size_t>(end_positions_B.numel()));
  const auto last = std::ranges::max_element(ends);
  return last == ends.end() ? tokens_BL : tokens_BL.narrow(1, 0, *last + 1);
}

}  // namespace cloob

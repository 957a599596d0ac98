#include "cloob/base/broadcast_text.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>

namespace cloob {

std::string broadcast_text(const Collectives& collectives, const std::string& text) {
  if (collectives.world_size() == 1) return text;
  const at::Tensor size = at::full({}, std::ssize(text), at::kLong);
  collectives.broadcast({{"size", size}});
  const at::Tensor bytes = at::empty({size.item<std::int64_t>()}, at::kByte);
  auto* const data = bytes.data_ptr<std::uint8_t>();
  if (collectives.rank() == 0) std::ranges::copy(text, data);
  collectives.broadcast({{"text", bytes}});
  return {data, data + bytes.numel()};
}

}  // namespace cloob

#include "cloob/base/broadcast_text.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>

#include "cloob/base/error.h"

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

std::vector<std::string> gather_texts(const Collectives& collectives, const std::string& text) {
  if (collectives.world_size() == 1) return {text};
  const at::Tensor own = at::empty({std::ssize(text)}, at::kByte);
  std::ranges::copy(text, own.data_ptr<std::uint8_t>());
  const at::Tensor sizes_W = collectives.gather_rows(at::full({1}, std::ssize(text), at::kLong)).rows_ND;
  const at::Tensor all = collectives.gather_rows(own).rows_ND.contiguous();
  const auto* byte = all.const_data_ptr<std::uint8_t>();
  std::vector<std::string> texts;
  for (std::int64_t rank = 0; rank < sizes_W.size(0); ++rank) {
    const auto size = sizes_W[rank].item<std::int64_t>();
    texts.emplace_back(byte, byte + size);
    byte += size;
  }
  return texts;
}

void do_on_first_rank(const Collectives& collectives, const std::function<void()>& work) {
  std::string mistake;
  if (collectives.rank() == 0) {
    try {
      work();
    } catch (const UserError& error) {
      mistake = std::string("!") + error.what();
    }
  }
  mistake = broadcast_text(collectives, mistake);
  if (!mistake.empty()) throw UserError(mistake.substr(1));
}

}  // namespace cloob

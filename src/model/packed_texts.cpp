#include "model/packed_texts.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/device/streams.h"

namespace cloob {
namespace {

// Indices of the texts, shorter ones first.
std::vector<std::int64_t> order_by_length(std::span<const std::int64_t> ends) {
  std::vector<std::int64_t> order(ends.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {},
                           [&](std::int64_t text) { return ends[static_cast<std::size_t>(text)]; });
  return order;
}

// Attention is quadratic in the length of a sequence, so the filler is split into short ones.
constexpr std::int64_t kMaxFillerLength = 32;

// Returns the number of added tokens, at least one.
std::int64_t append_filler(SequenceGroups& groups, std::int64_t num_tokens) {
  const auto step = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(num_tokens) / 32));
  const std::int64_t missing = step > 1 ? step - num_tokens % step : 1;
  if (missing >= kMaxFillerLength) groups.push_back({missing / kMaxFillerLength, kMaxFillerLength});
  if (missing % kMaxFillerLength > 0) groups.push_back({1, missing % kMaxFillerLength});
  return missing;
}

}  // namespace

PackedTexts pack_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B, TextFiller filler,
                       c10::Device device) {
  const at::Tensor ends_B = end_positions_B.cpu().contiguous(), tokens = tokens_BL.cpu().contiguous();
  const std::span ends(ends_B.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(ends_B.numel()));
  const std::int64_t num_texts = tokens.size(0), width = tokens.size(1);
  CLOOB_CHECK(std::ssize(ends) == num_texts, "{} ends of {} texts", ends.size(), num_texts);
  PackedTexts packed;
  std::int64_t num_tokens = 0;
  const std::vector<std::int64_t> order = order_by_length(ends);
  for (const std::int64_t text : order) {
    const std::int64_t length = ends[static_cast<std::size_t>(text)] + 1;
    CLOOB_CHECK(length >= 1 && length <= width, "a text of {} tokens ends at position {}", width, length - 1);
    if (packed.groups.empty() || packed.groups.back().length != length) packed.groups.push_back({0, length});
    ++packed.groups.back().count;
    num_tokens += length;
  }
  if (packed.groups.size() > 1 && filler == TextFiller::to_few_sizes)
    num_tokens += append_filler(packed.groups, num_tokens);
  packed.ids_T = at::zeros({num_tokens}, tokens.options());
  packed.positions_T = at::zeros({num_tokens}, tokens.options());
  at::Tensor sequence_B = at::empty({num_texts}, tokens.options());
  auto* id = packed.ids_T.mutable_data_ptr<std::int64_t>();
  auto* position = packed.positions_T.mutable_data_ptr<std::int64_t>();
  for (std::size_t sequence = 0; sequence < order.size(); ++sequence) {
    const std::int64_t* const text = tokens.const_data_ptr<std::int64_t>() + order[sequence] * width;
    const std::int64_t length = ends[static_cast<std::size_t>(order[sequence])] + 1;
    id = std::copy_n(text, length, id);
    std::iota(position, position + length, 0);
    position += length;
    sequence_B.mutable_data_ptr<std::int64_t>()[order[sequence]] = static_cast<std::int64_t>(sequence);
  }
  packed.ids_T = copy_to_device(packed.ids_T, device);
  packed.positions_T = copy_to_device(packed.positions_T, device);
  if (packed.groups.size() > 1) packed.sequence_of_text_B = copy_to_device(sequence_B, device);
  return packed;
}

}  // namespace cloob

#include "search/ivfpq.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <span>

#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/tiles.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

// What rows differ from the centroids of their lists by.
at::Tensor residuals_of(const at::Tensor& rows_ND, const at::Tensor& centroids_LD,
                        const at::Tensor& lists_N) {
  return rows_ND - centroids_LD.index_select(0, lists_N);
}

at::Tensor codebooks_of(const at::Tensor& sample_ND, const at::Tensor& centroids_LD, const CodeShape& code,
                        const StopRequested& stop_requested) {
  // 256 for a word, as many as faiss uses at most.
  constexpr std::int64_t kMostRows = 256 * kCodeWords;
  // Evenly spaced again: the data may be sorted.
  const std::int64_t step = (sample_ND.size(0) + kMostRows - 1) / kMostRows;
  const at::Tensor rows_ND = sample_ND.slice(0, 0, sample_ND.size(0), step).contiguous();
  return train_codebooks(residuals_of(rows_ND, centroids_LD, lists_of(rows_ND, centroids_LD)), code,
                         stop_requested);
}

// Codes in the order of the lists.
void write_codes(const fs::path& path, const std::vector<std::uint8_t>& codes, std::int64_t code_bytes,
                 const std::vector<std::int64_t>& order) {
  constexpr std::int64_t kBlockRows = 65536;
  OutputFile file(path);
  std::vector<std::uint8_t> block(static_cast<std::size_t>(kBlockRows * code_bytes));
  for_each_piece(std::ssize(order), kBlockRows, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
      std::copy_n(codes.begin() + order[static_cast<std::size_t>(first + i)] * code_bytes, code_bytes,
                  block.begin() + i * code_bytes);
    file.write(std::as_bytes(std::span(block).first(static_cast<std::size_t>(count * code_bytes))));
  });
  file.finish();
}

}  // namespace

IvfpqShape write_ivfpq(const fs::path& prefix, const RowReader& rows, const IndexLayout& layout,
                       const StopRequested& stop_requested) {
  const std::string name = prefix.filename().string();
  const std::int64_t lists = num_lists(layout, rows.count());
  const CodeShape code = code_shape(
      rows.dims(), std::min(layout.code_bytes.value_or(default_code_bytes(rows.dims())), rows.dims()));
  at::Tensor sample_ND = rows.sample(sample_size(rows.count(), lists));
  log_info("search", "{}: k-means for {} lists", name, lists);
  begin_stage(layout, "centroids");
  const at::Tensor centroids_LD = find_centroids(sample_ND, lists, stop_requested);
  log_info("search", "{}: codebooks for {} bytes of {} numbers", name, code.bytes, code.numbers);
  begin_stage(layout, "codebooks");
  const at::Tensor codebooks_MSW = codebooks_of(sample_ND, centroids_LD, code, stop_requested);
  sample_ND.reset();
  log_info("search", "{}: codes of {} entries", name, rows.count());
  begin_stage(layout, "assignment");
  std::vector<std::uint8_t> codes;
  codes.reserve(static_cast<std::size_t>(rows.count() * code.bytes));
  const std::vector<std::int32_t> list_of_row = assign_lists(
      rows, centroids_LD, stop_requested, [&](const at::Tensor& rows_ND, const at::Tensor& lists_N) {
        const auto of_block = encode(residuals_of(rows_ND, centroids_LD, lists_N), codebooks_MSW);
        codes.insert(codes.end(), of_block.begin(), of_block.end());
      });
  begin_stage(layout, "lists");
  const ListOrder order = order_by_list(list_of_row, lists);
  write_lists(prefix, centroids_LD, order);
  write_numbers<float>(beside(prefix, ".codebooks"), {codebooks_MSW.const_data_ptr<float>(),
                                                      static_cast<std::size_t>(codebooks_MSW.numel())});
  write_codes(beside(prefix, ".codes"), codes, code.bytes, order.rows);
  return {lists, default_probes(IndexKind::ivfpq, lists), code.bytes};
}

Ivfpq::Ivfpq(const fs::path& prefix, const IvfpqShape& shape, const FeatureRows& rows)
    : lists_(prefix, shape.lists, rows.count, rows.dims),
      rows_(rows),
      code_(code_shape(rows.dims, shape.code_bytes)),
      codebooks_(beside(prefix, ".codebooks")),
      codes_(beside(prefix, ".codes")) {}

std::vector<Neighbor> Ivfpq::search(const PaddedQueries& queries, std::int64_t query, std::int64_t k,
                                    std::int64_t probes, std::int64_t rerank,
                                    const RemovedRows& removed) const {
  const float* const numbers = queries.query(query);
  const std::vector<float> scores = word_scores(numbers, rows_.dims, code_, codebooks_.as<float>().data());
  const auto codes = codes_.as<std::uint8_t>();
  BestNeighbors candidates(std::min(std::max(k, rerank), rows_.count));
  lists_.visit_nearest(
      queries, query, probes, k, [&](std::int64_t first, std::int64_t count, float list_score) {
        const std::uint8_t* code = codes.data() + first * code_.bytes;
        std::int64_t found = 0;
        for (std::int64_t i = 0; i < count; ++i, code += code_.bytes) {
          if (!removed.rows().empty() && removed.contains(lists_.row(first + i))) continue;
          candidates.add({first + i, list_score + code_score(scores.data(), code, code_.bytes)});
          ++found;
        }
        return found;
      });
  std::vector<std::int64_t> found;
  for (const Neighbor& candidate : candidates.take_sorted()) found.push_back(lists_.row(candidate.row));
  // What is not in memory is read from the disk all at once, in the order of the file.
  std::ranges::sort(found);
  for (const std::int64_t row : found)
    read_ahead({rows_.row(row), static_cast<std::size_t>(rows_.row_bytes())});
  BestNeighbors best(std::min(k, rows_.count));
  for (const std::int64_t row : found) best.add({row, inner_product(numbers, rows_, row)});
  return best.take_sorted();
}

}  // namespace cloob

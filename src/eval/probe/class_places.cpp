#include "eval/probe/class_places.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <numeric>
#include <utility>

namespace cloob {

ClassPlaces class_places(const std::vector<LabeledPart>& own, std::int64_t num_classes,
                         const Collectives& collectives) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(num_classes));
  for (const LabeledPart& part : own) {
    for (const std::int64_t label : part.labels) ++counts.at(static_cast<std::size_t>(label));
  }
  const at::Tensor counts_WK =
      collectives.gather_rows(at::tensor(counts, at::kLong).unsqueeze(0)).rows_ND.contiguous();
  ClassPlaces places{.of_row = {}, .rows_of_class = counts};
  std::vector<std::int64_t> next(counts.size());
  const auto* count = counts_WK.const_data_ptr<std::int64_t>();
  std::ranges::fill(places.rows_of_class, 0);
  for (std::int64_t rank = 0; rank < counts_WK.size(0); ++rank) {
    for (std::size_t label = 0; label < next.size(); ++label, ++count) {
      if (rank < collectives.rank()) next[label] += *count;
      places.rows_of_class[label] += *count;
    }
  }
  for (const LabeledPart& part : own) {
    std::vector<std::int64_t>& of_row = places.of_row.emplace_back();
    for (const std::int64_t label : part.labels) of_row.push_back(next[static_cast<std::size_t>(label)]++);
  }
  return places;
}

std::vector<LabeledPart> select_rows(
    const std::vector<LabeledPart>& own, const ClassPlaces& places,
    const std::function<bool(std::int64_t label, std::int64_t place)>& is_selected) {
  std::vector<LabeledPart> all;
  for (std::size_t i = 0; i < own.size(); ++i) {
    std::vector<std::int64_t> rows;
    LabeledPart selected;
    for (std::size_t row = 0; row < own[i].labels.size(); ++row) {
      if (!is_selected(own[i].labels[row], places.of_row[i][row])) continue;
      rows.push_back(static_cast<std::int64_t>(row));
      selected.labels.push_back(own[i].labels[row]);
    }
    if (rows.empty()) continue;
    selected.features_BD = own[i].features_BD.index_select(0, at::tensor(rows, at::kLong));
    all.push_back(std::move(selected));
  }
  return all;
}

}  // namespace cloob

#include "cloob/eval/pair_features.h"

#include <ATen/ops/tensor.h>

namespace cloob {

at::Tensor first_texts(const PairFeatures& part) {
  std::vector<std::int64_t> rows;
  for (std::size_t text = 0; text < part.image_of_text.size(); ++text) {
    if (text == 0 || part.image_of_text[text] != part.image_of_text[text - 1])
      rows.push_back(static_cast<std::int64_t>(text));
  }
  return at::tensor(rows, at::kLong);
}

}  // namespace cloob

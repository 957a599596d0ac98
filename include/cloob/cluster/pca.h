// Principal components, to make features shorter.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// Orthonormal directions of decreasing variance, in each of which the number of largest magnitude is positive.
struct Pca {
  at::Tensor mean_D;
  at::Tensor components_PD;
};

/// The directions of the largest variance of the samples about their mean, without whitening, as faiss's PCAMatrix; computed
/// in fp64 on the CPU, of all samples. In the type and on the device of the samples, but at least in fp32. Throws UserError
/// if there are fewer samples or dimensions than `components`.
Pca fit_pca(const at::Tensor& samples_ND, std::int64_t components);

/// Coordinates of rows: (N, P).
at::Tensor apply(const Pca& pca, const at::Tensor& rows_ND);

}  // namespace cloob

#include "cloob/cluster/pca.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <tuple>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/tiles.h"

namespace cloob {
namespace {

constexpr std::int64_t kRowsAtOnce = 65536;

// Calls `visit` with pieces of the rows in fp64 on the CPU.
template <class Visit>
void for_each_wide_piece(const at::Tensor& rows_ND, const Visit& visit) {
  for_each_piece(rows_ND.size(0), kRowsAtOnce, [&](std::int64_t first, std::int64_t count) {
    visit(rows_ND.narrow(0, first, count).to(at::kCPU, at::kDouble));
  });
}

}  // namespace

Pca fit_pca(const at::Tensor& samples_ND, std::int64_t components) {
  CLOOB_CHECK(samples_ND.dim() == 2 && samples_ND.is_floating_point() && components > 0,
              "{} components of samples that are not a matrix of numbers", components);
  const std::int64_t num_samples = samples_ND.size(0), dims = samples_ND.size(1);
  if (components > num_samples || components > dims) {
    throw_user_error(
        "{} principal components of {} samples with {} numbers each: there are at most as many as samples and as numbers, so ask "
        "for fewer",
        components, num_samples, dims);
  }
  const at::NoGradGuard no_grad;
  const at::Tensor mean_D = at::zeros({dims}, at::kDouble);
  for_each_wide_piece(samples_ND, [&](const at::Tensor& rows_BD) { mean_D.add_(rows_BD.sum(0)); });
  mean_D.div_(num_samples);
  const at::Tensor covariance_DD = at::zeros({dims, dims}, at::kDouble);
  for_each_wide_piece(samples_ND, [&](const at::Tensor& rows_BD) {
    const at::Tensor centered_BD = rows_BD - mean_D;
    covariance_DD.addmm_(centered_BD.t(), centered_BD);
  });
  CLOOB_CHECK(covariance_DD.isfinite().all().item<bool>(), "samples with NaN or infinite numbers");
  const at::Tensor vectors_DD = std::get<1>(at::linalg_eigh(covariance_DD));  // of increasing eigenvalues
  at::Tensor components_PD = vectors_DD.flip(1).narrow(1, 0, components).t().contiguous();
  const at::Tensor largest_P1 = components_PD.gather(1, components_PD.abs().argmax(1, /*keepdim=*/true));
  components_PD = components_PD * largest_P1.sign();
  const at::ScalarType type = c10::promoteTypes(samples_ND.scalar_type(), at::kFloat);
  return {mean_D.to(samples_ND.device(), type), components_PD.to(samples_ND.device(), type)};
}

at::Tensor apply(const Pca& pca, const at::Tensor& rows_ND) {
  const OutsideAutocast outside_autocast;
  return at::mm(rows_ND.to(pca.mean_D.scalar_type()) - pca.mean_D, pca.components_PD.t());
}

}  // namespace cloob

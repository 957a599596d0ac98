// K-means and PCA against faiss-cpu (tools/goldens/make_cluster.py).
#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/cluster/kmeans.h"
#include "cloob/cluster/pca.h"
#include "support/support.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

class FaissKMeans : public ::testing::TestWithParam<const char*> {
 protected:
  FaissKMeans()
      : golden_(Json::parse(read_file(testing::golden_path("cluster/kmeans.json"))).at(GetParam())),
        tensors_(read_safetensors(testing::golden_path("cluster/kmeans.safetensors")).tensors) {}

  at::Tensor tensor(const std::string& name) const { return tensors_.at(GetParam() + ("." + name)); }

  Json golden_;
  NamedTensors tensors_;
};

TEST_P(FaissKMeans, HasTheSameClustersForTheSameSeed) {
  const at::Tensor samples_ND = tensors_.at(golden_.at("samples").get<std::string>()).to(at::kFloat);
  const Json& settings = golden_.at("settings");
  const bool is_spherical = settings.value("spherical", false);
  const KMeansResult result = kmeans(samples_ND,
                                     {.clusters = golden_.at("clusters"),
                                      .iterations = settings.at("niter"),
                                      .restarts = settings.value("nredo", 1),
                                      .spherical = is_spherical,
                                      .seed = settings.at("seed")},
                                     SingleProcess());
  double objective = golden_.at("objective");
  if (is_spherical) {  // there it is the sum of inner products
    const auto num_samples = static_cast<double>(samples_ND.size(0));
    objective = samples_ND.to(at::kDouble).square().sum().item<double>() + num_samples - 2 * objective;
  }
  EXPECT_NEAR(result.objectives.back(), objective, 1e-5 * objective);
  testing::expect_close(result.centroids_KD, tensor("centroids"), 1e-5, 1e-6, "centroids");
  EXPECT_TRUE(result.labels_N.equal(tensor("labels")));
}
INSTANTIATE_TEST_SUITE_P(Cases, FaissKMeans,
                         ::testing::Values("separate", "start", "continuous", "restarts", "spherical",
                                           "repeated"));

TEST(FaissPca, HasTheSameComponentsButForTheirSigns) {
  const NamedTensors golden = read_safetensors(testing::golden_path("cluster/pca.safetensors")).tensors;
  const at::Tensor components_PD = golden.at("components");
  const Pca pca = fit_pca(golden.at("samples"), components_PD.size(0));
  const at::Tensor sign_P = (pca.components_PD * components_PD).sum(1).sign();
  testing::expect_close(pca.components_PD, components_PD * sign_P.unsqueeze(1), 0, 2e-4, "components");
  testing::expect_close(apply(pca, golden.at("samples")), golden.at("applied") * sign_P, 1e-4, 1e-3,
                        "applied");
}

}  // namespace
}  // namespace cloob

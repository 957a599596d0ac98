// Means of clusters against the back translation of ProtoCLIP's authors (tools/goldens/make_protoclip.py).
#include <ATen/ATen.h>

#include <string>
#include <tuple>

#include "cloob/checkpoint/safetensors.h"
#include "cloob/cluster/kmeans.h"
#include "support/support.h"

namespace cloob {
namespace {

TEST(ClusterMeans, AreTheBackTranslatedPrototypesOfTheReference) {
  const NamedTensors golden = read_safetensors(testing::golden_path("loss/protoclip.safetensors")).tensors;
  const auto episode = [&](const std::string& name) { return golden.at("episode." + name); };
  for (const auto& [student, teacher, origin] : {std::tuple{"img", "text", "text"},
                                                 {"text", "img", "image"},
                                                 {"img", "external", "external"},
                                                 {"text", "external", "external"}}) {
    const at::Tensor expected =
        episode(std::string(student) + "_centroids_translated_from_" + origin + "_prototypes");
    const at::Tensor means = cluster_means(episode(std::string(student) + "_feature"),
                                           episode(std::string(teacher) + "_labels"), expected.size(0));
    // The reference stores them in fp32.
    testing::expect_close(means, expected, 1e-6, 1e-7, std::string(student) + " from " + teacher);
    const at::Tensor is_empty = expected.abs().sum(1) == 0;
    ASSERT_GE(is_empty.sum().item<std::int64_t>(), 1);
    EXPECT_TRUE(at::equal(means.abs().sum(1) == 0, is_empty));
  }
}

}  // namespace
}  // namespace cloob

#include "cloob/report/metric_names.h"

#include <cmath>
#include <map>

#include "support/support.h"

namespace cloob {
namespace {

MetricLookup lookup(std::map<std::string, double> values) {
  return [values = std::move(values)](const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(MetricName, SaysWhatAMetricIsAndWhichValuesAreBetter) {
  EXPECT_EQ(metric_name("val/image_to_text_R@5").label, "image to text, recall at 5");
  EXPECT_EQ(metric_name("val/image_to_text_R@5").better, Better::higher);
  EXPECT_TRUE(metric_name("val/image_to_text_R@5").is_fraction);
  EXPECT_EQ(metric_name("val/text_to_image_median_rank").better, Better::lower);
  EXPECT_EQ(metric_name("val/loss").better, Better::lower);
  EXPECT_EQ(metric_name("val/my_set_acc1").label, "my_set: zero-shot, top-1 accuracy");
  EXPECT_EQ(metric_name("val/all_acc1_harmonic_mean").label,
            "all: zero-shot, harmonic mean of seen and unseen accuracy");
  EXPECT_EQ(metric_name("val/cifar10_lp_acc1").label, "cifar10: linear probe, top-1 accuracy");
  EXPECT_EQ(metric_name("val/knn_acc1").group, MetricGroup::probe);
  EXPECT_EQ(metric_name("val/cifar10_clusters_ari").label,
            "cifar10: clusters and classes, adjusted Rand index");
  EXPECT_EQ(metric_name("val/cifar10_clusters_ami").better, Better::higher);
  EXPECT_FALSE(metric_name("val/cifar10_clusters_ami").is_fraction);
  EXPECT_EQ(metric_name("val/effective_eigenvalues_image").better, Better::neither);
  EXPECT_EQ(metric_name("train/positive_mass").group, MetricGroup::saturation);
}

TEST(MetricName, LeavesUnknownMetricsAsTheyAre) {
  const MetricName name = metric_name("val/new_thing");
  EXPECT_EQ(name.label, "new_thing");
  EXPECT_EQ(name.better, Better::neither);
  EXPECT_EQ(name.group, MetricGroup::other);
  EXPECT_EQ(metric_name("train/new_thing").group, MetricGroup::training);
}

TEST(MetricName, ValuesAreShownInTheirUnits) {
  const MetricName recall = metric_name("val/image_to_text_R@1"), loss = metric_name("val/loss");
  EXPECT_EQ(value_text(recall, 0.4123), "41.2 %");
  EXPECT_EQ(difference_text(recall, 0.031), "3.1 points");
  EXPECT_EQ(value_text(loss, 2.34567), "2.346");
  EXPECT_EQ(value_text(loss, 12345.6), "12,346");
  EXPECT_EQ(value_text(recall, std::nan("")), "-");
}

TEST(ChanceLevel, OfRecallsAccuraciesAndLosses) {
  const MetricLookup run = lookup({{"val/num_images", 100},
                                   {"val/num_texts", 500},
                                   {"val/a_num_classes", 20},
                                   {"val/a_num_samples", 1900},
                                   {"val/num_classes", 4},
                                   {"val/chance_loss", 4.5}});
  EXPECT_DOUBLE_EQ(*chance_level("val/text_to_image_R@10", run), 0.1);
  EXPECT_NEAR(*chance_level("val/image_to_text_R@1", run), 0.01, 1e-12);
  EXPECT_DOUBLE_EQ(*chance_level("val/a_acc1", run), 0.05);
  EXPECT_DOUBLE_EQ(*chance_level("val/loss", run), 4.5);
  EXPECT_FALSE(chance_level("val/b_acc1", run));
  EXPECT_FALSE(chance_level("val/alignment", run));
  EXPECT_DOUBLE_EQ(*chance_margin("val/a_acc1", 0.05, run), 0.015);
  for (const std::string probe : {"val/a_lp_acc1", "val/a_knn_acc1"}) {
    EXPECT_DOUBLE_EQ(*chance_level(probe, run), 0.05);
    EXPECT_DOUBLE_EQ(*chance_margin(probe, 0.05, run), 0.015);
  }
  EXPECT_DOUBLE_EQ(*chance_level("val/lp_acc1", run), 0.25);
  EXPECT_FALSE(chance_level("val/help_acc1", run));
  EXPECT_FALSE(chance_margin("val/loss", 4.5, run));
}

}  // namespace
}  // namespace cloob

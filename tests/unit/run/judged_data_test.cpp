#include "cloob/run/judged_data.h"

#include <filesystem>

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using testing::TempDir;

TEST(JudgedData, IsThatOfTheEvaluationOfTheMetric) {
  const TempDir folder;
  const std::string root = std::filesystem::canonical(folder.path()).string();
  for (const char* name : {"a.tar", "b.tar", "color/test/nshards.txt", "pets/x"}) {
    make_directories((folder / name).parent_path());
    write_file_atomically(folder / name, "1");
  }
  RunConfig config;
  config.data.val = {root + "/./[ab].tar"};
  config.eval.zero_shot = {"my_pets=" + root + "/color/../pets/"};
  config.eval.linear_probe["color"] = {.train = root + "/pets", .test = root + "/color", .features = {}};
  EXPECT_THAT(judged_data(config, "val/text_to_image_R@10"), ElementsAre(root + "/a.tar", root + "/b.tar"));
  EXPECT_THAT(judged_data(config, "val/loss"), ElementsAre(root + "/a.tar", root + "/b.tar"));
  EXPECT_THAT(judged_data(config, "val/my_pets_acc1"), ElementsAre(root + "/pets"));
  EXPECT_THAT(judged_data(config, "val/color_lp_acc1"), ElementsAre(root + "/color/test"));
  config.eval.clusters["groups"].data = root + "/pets";
  EXPECT_THAT(judged_data(config, "val/groups_clusters_ari"), ElementsAre(root + "/pets"));
  EXPECT_THAT(judged_data(config), ElementsAre(root + "/a.tar", root + "/b.tar", root + "/pets",
                                               root + "/color/test", root + "/pets"));
  std::filesystem::create_directory_symlink(root + "/pets", root + "/link");
  config.eval.zero_shot = {"link=" + root + "/link"};
  EXPECT_THAT(judged_data(config, "val/link_acc1"), ElementsAre(root + "/pets"));
  config.data.val = {root + "/gone/../*.csv"};
  EXPECT_THAT(judged_data(config, "val/loss"), ElementsAre(root + "/*.csv"));
}

}  // namespace
}  // namespace cloob

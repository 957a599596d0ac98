#include "cloob/data/data_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cloob {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Origins kOrigins = {{"data.csv.separator", "run.yaml:3:5"},
                          {"data.image_root", "command line"},
                          {"data.threads", "run.yaml:2:3"},
                          {"data.webdataset.text", "run.yaml:5:5"}};

TEST(DataSettings, ReportsSettingsOfTheOtherFormat) {
  DataConfig data;
  EXPECT_THAT(settings_without_effect(data, kOrigins), IsEmpty());
  data.train = {"a/{000..009}.tar"};
  EXPECT_THAT(settings_without_effect(data, kOrigins),
              ElementsAre("data.csv.separator (all data is in tar shards)",
                          "data.image_root (all data is in tar shards)"));
  data.val = {"dev.TSV"};
  EXPECT_THAT(settings_without_effect(data, kOrigins), IsEmpty());
  data.train = {"train.csv"};
  EXPECT_THAT(settings_without_effect(data, kOrigins),
              ElementsAre("data.webdataset.text (all data is in tables)"));
}

TEST(DataSettings, UsesTheConfiguredFormatAndDoesNotGuess) {
  DataConfig data;
  data.train = {"a/*"};
  EXPECT_THAT(settings_without_effect(data, kOrigins), IsEmpty());
  data.format = DataFormat::csv;
  EXPECT_THAT(settings_without_effect(data, kOrigins),
              ElementsAre("data.webdataset.text (all data is in tables)"));
}

}  // namespace
}  // namespace cloob

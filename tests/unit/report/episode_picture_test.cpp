#include "cloob/report/episode_picture.h"

#include <cmath>
#include <filesystem>

#include "cloob/base/files.h"
#include "cloob/report/html_report.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using testing::expect_user_error;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;

EpisodePicture sample_picture(std::int64_t episode = 2) {
  return {.episode = episode,
          .samples_seen = 4800,
          .num_samples = 2400,
          .num_clusters = 20,
          .variance = 0.25,
          .num_even = 2,
          .largest = {{7, 300}, {3, 150}},
          .images = {.x = {0, 1, 0.5}, .y = {0, 0.25, 0.123456}, .clusters = {1, 2, 2}},
          .texts = {.x = {-1, -0.5, 0}, .y = {0, 0, 0}, .clusters = {7, 3, 7}}};
}

TEST(EpisodePicture, IsWhatWasWritten) {
  const TempDir run;
  write_episode_picture(run.path(), sample_picture());
  const EpisodePicture read = read_episode_picture(run.path(), 2);
  EXPECT_EQ(read.samples_seen, 4800);
  EXPECT_EQ(read.num_clusters, 20);
  EXPECT_EQ(read.variance, 0.25);
  EXPECT_EQ(read.largest[1].cluster, 3);
  EXPECT_EQ(read.largest[1].num_samples, 150);
  EXPECT_THAT(read.images.y, ElementsAre(0, 0.25, 0.1235));
  EXPECT_THAT(read.texts.x, ElementsAre(-1, -0.5, 0));
  EXPECT_THAT(read.texts.clusters, ElementsAre(7, 3, 7));
}

TEST(EpisodePicture, TheFirstAndTheNewestAreKept) {
  const TempDir run;
  EXPECT_TRUE(pictured_episodes(run.path()).empty());
  for (std::int64_t episode = 1; episode <= 14; ++episode)
    write_episode_picture(run.path(), sample_picture(episode));
  write_file_atomically(episodes_path(run.path()) / "episode_x.json", "{}");
  EXPECT_THAT(pictured_episodes(run.path()), ElementsAre(1, 6, 7, 8, 9, 10, 11, 12, 13, 14));
  // As a run that has resumed before episode 8.
  write_episode_picture(run.path(), sample_picture(8));
  EXPECT_THAT(pictured_episodes(run.path()), ElementsAre(1, 6, 7, 8));
  EXPECT_TRUE(std::filesystem::exists(episodes_path(run.path()) / "episode_x.json"));
}

TEST(EpisodePicture, FilesThatAreNoneAreRefused) {
  const TempDir run;
  write_episode_picture(run.path(), sample_picture());
  const auto file = episodes_path(run.path()) / "episode_2.json";
  const std::string good = read_file(file);
  const auto read = [&] { read_episode_picture(run.path(), 2); };
  const auto replaced = [&](const std::string& from, const std::string& to) {
    const auto place = good.find(from);
    ASSERT_NE(place, std::string::npos) << good;
    write_file_atomically(file, good.substr(0, place) + to + good.substr(place + from.size()));
  };
  write_file_atomically(file, "{");
  expect_user_error(read, {"episode_2.json", "is not JSON"});
  write_file_atomically(file, "[1]");
  expect_user_error(read, {"episode_2.json", "is not the picture of an episode"});
  replaced("\"format\":1", "\"format\":2");
  expect_user_error(read, {"another version"});
  replaced("[7,3,7]", "[7,3]");
  expect_user_error(read, {"lists of different lengths"});
  replaced("[7,3,7]", "[7,3,-7]");
  expect_user_error(read, {"-7", "'clusters'"});
  replaced("[-1.0,-0.5,0.0]", "[-1.0,null,0.0]");
  expect_user_error(read, {"coordinate"});
  replaced("\"num_even\":2", "\"num_even\":4");
  expect_user_error(read, {"fewer samples"});
}

TEST(EpisodePicture, IsDrawnByModalityAndByTheLargestClusters) {
  const std::vector<Scatter> scatters = episode_scatters("a run", {sample_picture(1), sample_picture(2)});
  ASSERT_EQ(scatters.size(), 4U);
  EXPECT_EQ(scatters[1].title, "Episode 2, after 4,800 samples: images and texts");
  EXPECT_EQ(scatters[3].title, "Episode 2, after 4,800 samples: the 2 largest clusters of texts");
  EXPECT_EQ(scatters[0].group, "Episodes of a run");
  const std::vector<std::pair<double, double>> even = {{0, 0}, {1, 0.25}}, members = {{-1, 0}, {0, 0}};
  EXPECT_EQ(scatters[0].groups[0].points, even) << "without those that are there for their cluster";
  const ScatterGroup& cluster = scatters[2].groups[3];
  EXPECT_EQ(cluster.name, "7: 300 samples");
  EXPECT_EQ(cluster.points, members);
  EXPECT_EQ(cluster.mark, ScatterMark::square);
  HtmlReport report{
      .title = "", .summary = "", .tables = {}, .charts = {}, .scatters = scatters, .pictures = {}};
  const std::string page = render_html(report);
  EXPECT_THAT(page, HasSubstr("<summary>Episodes of a run</summary>"));
  EXPECT_THAT(page, HasSubstr("<span class=\"s0 square\"><i></i>7: 300 samples</span>"));
  EXPECT_THAT(page, HasSubstr("<path class=\"dots s0 large\""));
}

TEST(Scatter, HasOneScaleForBothAxes) {
  Scatter scatter{.title = "", .groups = {{.name = "a", .color = 0, .points = {{0, 0}, {2, 0}, {0, 1}}}}};
  // 230 pixels for 1.08 units, with the points in the middle of 492 by 230.
  HtmlReport report{
      .title = "", .summary = "", .tables = {}, .charts = {}, .scatters = {scatter}, .pictures = {}};
  EXPECT_THAT(render_html(report), HasSubstr("d=\"M85.0 247.5h0M511.0 247.5h0M85.0 34.5h0\""));
}

TEST(Scatter, DrawsNothingThatIsNotANumberAndAnythingElse) {
  HtmlReport report{.title = "", .summary = "", .tables = {}, .charts = {}, .pictures = {}};
  for (const std::vector<std::pair<double, double>>& points : {std::vector<std::pair<double, double>>{},
                                                               {{3, 4}},
                                                               {{1e-30, 0}, {0, 1e-30}},
                                                               {{NAN, 1}, {1, INFINITY}, {0, 0}}})
    report.scatters.push_back({.title = "", .groups = {{.name = "a", .color = 0, .points = points}}});
  EXPECT_THAT(render_html(report), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace cloob

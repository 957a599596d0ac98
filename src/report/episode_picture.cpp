#include "cloob/report/episode_picture.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"
#include "cloob/report/html_report.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::string_view kPrefix = "episode_", kSuffix = ".json";
constexpr std::size_t kNewest = 9;  // besides the first
constexpr std::uint64_t kMaxBytes = 16 << 20;
constexpr std::int64_t kMaxNumber = std::int64_t{1} << 53;  // exact also as a double
constexpr std::size_t kMaxSamples = 100'000, kMaxLargest = 1000;

fs::path file_of(const fs::path& run_dir, std::int64_t episode) {
  return episodes_path(run_dir) / fmt::format("{}{}{}", kPrefix, episode, kSuffix);
}

// Four digits are more than a drawing shows.
std::vector<double> rounded(const std::vector<double>& numbers) {
  std::vector<double> result;
  for (const double number : numbers)
    result.push_back(parse_double(fmt::format("{:.4g}", number)).value_or(0));
  return result;
}

Json json_of(const EpisodeCloud& cloud) {
  return {{"x", rounded(cloud.x)}, {"y", rounded(cloud.y)}, {"clusters", cloud.clusters}};
}

std::vector<double> numbers_of(const Json& list) {
  if (!list.is_array() || list.size() > kMaxSamples)
    throw JsonError(fmt::format("has a list that is none, or has more than {} values", kMaxSamples));
  std::vector<double> numbers;
  for (const Json& number : list) {
    if (!number.is_number() || std::abs(number.get<double>()) > 1e6)
      throw JsonError("has a coordinate that is not a number, or not one of features of unit length");
    numbers.push_back(number.get<double>());
  }
  return numbers;
}

EpisodeCloud cloud_of(const Json& json) {
  EpisodeCloud cloud{.x = numbers_of(json.at("x")), .y = numbers_of(json.at("y")), .clusters = {}};
  const Json& clusters = json.at("clusters");
  if (!clusters.is_array() || clusters.size() > kMaxSamples) throw JsonError("has no list of clusters");
  for (const Json& cluster : clusters)
    cloud.clusters.push_back(json_integer(cluster, "clusters", 0, kMaxNumber));
  return cloud;
}

EpisodePicture picture_of(const Json& json) {
  const auto number = [&](const char* name) { return json_integer(json.at(name), name, 0, kMaxNumber); };
  if (number("format") != 1) throw JsonError("is of another version of the program");
  EpisodePicture picture{.episode = number("episode"),
                         .samples_seen = number("samples_seen"),
                         .num_samples = number("num_samples"),
                         .num_clusters = number("num_clusters"),
                         .variance = json.at("variance").get<double>(),
                         .num_even = number("num_even"),
                         .images = cloud_of(json.at("images")),
                         .texts = cloud_of(json.at("texts"))};
  const Json& largest = json.at("largest");
  if (!largest.is_array() || largest.size() > kMaxLargest)
    throw JsonError("has no list of its largest clusters");
  for (const Json& cluster : largest) {
    picture.largest.push_back({json_integer(cluster.at("cluster"), "cluster", 0, kMaxNumber),
                               json_integer(cluster.at("num_samples"), "num_samples", 0, kMaxNumber)});
  }
  const std::size_t size = picture.images.x.size();
  for (const EpisodeCloud* cloud : {&picture.images, &picture.texts}) {
    if (cloud->x.size() != size || cloud->y.size() != size || cloud->clusters.size() != size)
      throw JsonError("has lists of different lengths");
  }
  if (picture.num_even > static_cast<std::int64_t>(size)) throw JsonError("has fewer samples than it says");
  return picture;
}

void remove_others(const fs::path& run_dir, std::int64_t newest) {
  std::vector<std::int64_t> episodes = pictured_episodes(run_dir);
  const auto remove = [&](std::int64_t episode) {
    std::error_code ignored;  // it only takes space
    fs::remove(file_of(run_dir, episode), ignored);
  };
  while (!episodes.empty() && episodes.back() > newest) {
    remove(episodes.back());
    episodes.pop_back();
  }
  for (std::size_t i = 1; i + kNewest < episodes.size(); ++i) remove(episodes[i]);
}

ScatterGroup group_of(const EpisodeCloud& cloud, const std::vector<std::size_t>& samples, std::string name,
                      ScatterMark mark, std::optional<std::size_t> color) {
  ScatterGroup group{.name = std::move(name), .mark = mark, .color = color, .points = {}};
  for (const std::size_t sample : samples) group.points.emplace_back(cloud.x[sample], cloud.y[sample]);
  return group;
}

std::string place_text(const EpisodePicture& picture) {
  return fmt::format("Episode {}, after {}", with_thousands(picture.episode),
                     counted(picture.samples_seen, "sample"));
}

// Points that nobody can tell apart only make the page large.
std::vector<std::size_t> shown_samples(const EpisodePicture& picture) {
  constexpr std::size_t kMaxShown = 1000;
  const auto count = static_cast<std::size_t>(picture.num_even), shown = std::min(count, kMaxShown);
  std::vector<std::size_t> samples;
  for (std::size_t i = 0; i < shown; ++i) samples.push_back(i * count / shown);
  return samples;
}

Scatter by_modality(const std::string& title, const EpisodePicture& picture) {
  const std::vector<std::size_t> samples = shown_samples(picture);
  return {.title = title + ": images and texts",
          .groups = {group_of(picture.images, samples, "images", ScatterMark::round, 0),
                     group_of(picture.texts, samples, "texts", ScatterMark::square, 1)},
          .note = fmt::format(
              "{} of {}. The two axes hold {:.0f} % of the variance of the features of the projection heads.",
              with_thousands(static_cast<std::int64_t>(samples.size())),
              counted(picture.num_samples, "sample"), 100 * picture.variance)};
}

Scatter by_cluster(const std::string& title, const EpisodePicture& picture) {
  const std::vector<std::size_t> others = shown_samples(picture);
  const std::size_t num_colored = std::min<std::size_t>(picture.largest.size(), kScatterColors);
  Scatter scatter{
      .title = title + fmt::format(": the {} largest clusters of texts", num_colored),
      .groups = {group_of(picture.images, others, "", ScatterMark::round, std::nullopt),
                 group_of(picture.texts, others, "", ScatterMark::square, std::nullopt)},
      .note = fmt::format("Squares are texts, and discs the images that belong to them, which learn these "
                          "clusters; {} in all. Grey: other samples.",
                          counted(picture.num_clusters, "cluster"))};
  for (std::size_t color = 0; color < num_colored; ++color) {
    const auto& [cluster, num_samples] = picture.largest[color];
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < picture.texts.clusters.size(); ++i) {
      if (picture.texts.clusters[i] == cluster) members.push_back(i);
    }
    scatter.groups.push_back(group_of(picture.images, members, "", ScatterMark::round, color));
    scatter.groups.push_back(group_of(picture.texts, members,
                                      fmt::format("{}: {}", cluster, counted(num_samples, "sample")),
                                      ScatterMark::square, color));
  }
  return scatter;
}

}  // namespace

fs::path episodes_path(const fs::path& run_dir) { return run_dir / "episodes"; }

void write_episode_picture(const fs::path& run_dir, const EpisodePicture& picture) {
  Json largest = Json::array();
  for (const EpisodeCluster& cluster : picture.largest)
    largest.push_back({{"cluster", cluster.cluster}, {"num_samples", cluster.num_samples}});
  const Json json = {{"format", 1},
                     {"episode", picture.episode},
                     {"samples_seen", picture.samples_seen},
                     {"num_samples", picture.num_samples},
                     {"num_clusters", picture.num_clusters},
                     {"variance", picture.variance},
                     {"num_even", picture.num_even},
                     {"largest", largest},
                     {"images", json_of(picture.images)},
                     {"texts", json_of(picture.texts)}};
  make_directories(episodes_path(run_dir));
  write_file_atomically(file_of(run_dir, picture.episode), json.dump() + "\n");
  remove_others(run_dir, picture.episode);
}

std::vector<std::int64_t> pictured_episodes(const fs::path& run_dir) {
  std::vector<std::int64_t> episodes;
  std::error_code ignored;  // no folder, no pictures
  for (auto entry = fs::directory_iterator(episodes_path(run_dir), ignored);
       entry != fs::directory_iterator(); entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    const auto number = parse_integer(std::string_view(name).substr(
        kPrefix.size(), name.size() - std::min(name.size(), kPrefix.size() + kSuffix.size())));
    if (number && *number >= 0) episodes.push_back(*number);
  }
  std::ranges::sort(episodes);
  return episodes;
}

EpisodePicture read_episode_picture(const fs::path& run_dir, std::int64_t episode) {
  const fs::path file = file_of(run_dir, episode);
  try {
    return picture_of(parse_json(read_small_file(file, kMaxBytes, "the picture of an episode")));
  } catch (const JsonError& error) {
    throw_user_error("'{}' {}", file.string(), error.what());
  } catch (const Json::exception& error) {
    throw_user_error("'{}' is not the picture of an episode: {}", file.string(), error.what());
  }
}

std::vector<Scatter> episode_scatters(const std::string& run, const std::vector<EpisodePicture>& pictures) {
  std::vector<Scatter> scatters;
  for (const auto& draw : {&by_modality, &by_cluster}) {
    for (const EpisodePicture& picture : pictures) {
      if (draw == &by_cluster && picture.largest.empty()) continue;
      scatters.push_back(draw(place_text(picture), picture));
      scatters.back().group = "Episodes of " + run;
    }
  }
  return scatters;
}

}  // namespace cloob

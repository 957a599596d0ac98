// The picture of an episode: where the features of its samples are, in two dimensions, and in which clusters.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cloob {

struct Scatter;  // html_report.h

/// The samples of one modality: one number for each in every list.
struct EpisodeCloud {
  std::vector<double> x, y;
  std::vector<std::int64_t> clusters;  ///< of this modality
};

struct EpisodeCluster {
  std::int64_t cluster = 0;
  std::int64_t num_samples = 0;  ///< of the whole episode
};

/// Some of an episode's samples; the k-th of the images and the k-th of the texts are a pair.
struct EpisodePicture {
  std::int64_t episode = 0;
  std::int64_t samples_seen = 0;  ///< by training, before it
  std::int64_t num_samples = 0;   ///< of the episode, of which some are shown
  std::int64_t num_clusters = 0;
  double variance = 0;  ///< the fraction of the features' variance that two dimensions show
  /// The first ones are spread evenly over the episode; the others belong to the largest clusters, of which otherwise little
  /// would be seen.
  std::int64_t num_even = 0;
  std::vector<EpisodeCluster> largest = {};  ///< the largest clusters of texts
  EpisodeCloud images = {}, texts = {};
};

/// RUN_DIR/episodes, with a file for each picture: episode_N.json.
std::filesystem::path episodes_path(const std::filesystem::path& run_dir);

/// Writes the picture, and removes those of later episodes, which a resumed run has before it again, and of all earlier ones
/// but the first and the newest. Throws UserError.
void write_episode_picture(const std::filesystem::path& run_dir, const EpisodePicture& picture);

/// The numbers of the episodes that a run has pictures of, ascending.
std::vector<std::int64_t> pictured_episodes(const std::filesystem::path& run_dir);
/// Throws UserError.
EpisodePicture read_episode_picture(const std::filesystem::path& run_dir, std::int64_t episode);

/// Two drawings of each picture, below the name of the run: coloured by modality, and by the largest clusters of texts.
std::vector<Scatter> episode_scatters(const std::string& run, const std::vector<EpisodePicture>& pictures);

}  // namespace cloob

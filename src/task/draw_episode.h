// What the picture of an episode shows.
#pragma once

#include <optional>

#include "cloob/report/episode_picture.h"
#include "task/prototypes.h"

namespace cloob {

/// Two principal components of some of the features, fitted to images and texts together, so that the gap between them is seen,
/// and their clusters; `episode` and `samples_seen` are left to the caller. Unset for features that have no two components.
std::optional<EpisodePicture> draw_episode(const EpisodeFeatures& features,
                                           const EpisodePrototypes& prototypes);

}  // namespace cloob

#include "cli/episode_drawings.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/report/episode_picture.h"

namespace cloob {

bool add_episodes(const std::string& name, const std::filesystem::path& run_dir, HtmlReport& page) {
  const std::vector<std::int64_t> episodes = pictured_episodes(run_dir);
  if (episodes.empty()) return false;
  std::vector<EpisodePicture> pictures;
  for (const std::int64_t episode : std::set{episodes.front(), episodes.back()}) {
    try {
      pictures.push_back(read_episode_picture(run_dir, episode));
    } catch (const UserError& error) {
      log_warning("report", "an episode of {} is not shown: {}", name, error.what());
    }
  }
  std::ranges::move(episode_scatters(name, pictures), std::back_inserter(page.scatters));
  return !pictures.empty();
}

}  // namespace cloob

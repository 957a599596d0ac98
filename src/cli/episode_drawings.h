// The pictures that a run left of its episodes, in a report.
#pragma once

#include <filesystem>
#include <string>

#include "cloob/report/html_report.h"

namespace cloob {

/// Adds the first and the last episode of a run. Returns whether there are any that can be read; what cannot is warned of.
bool add_episodes(const std::string& name, const std::filesystem::path& run_dir, HtmlReport& page);

}  // namespace cloob

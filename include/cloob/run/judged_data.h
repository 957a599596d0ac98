// The data behind a metric of an evaluation during training.
#pragma once

#include <string>
#include <vector>

#include "cloob/run/run_config.h"

namespace cloob {

/// Files or folders on which a metric such as "val/text_to_image_R@10" or "val/color_lp_acc1" is measured: those of data.val,
/// or of the entry of eval.zero_shot, eval.linear_probe or eval.clusters that it is named after. Braces and globs are expanded
/// and paths made canonical, so that equal names are equal data; what does not exist any more keeps its name. Of a linear
/// probe, the images that it is tested on.
std::vector<std::string> judged_data(const RunConfig& config, const std::string& metric);
/// The same of all evaluations.
std::vector<std::string> judged_data(const RunConfig& config);

}  // namespace cloob

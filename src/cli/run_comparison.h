// Tables and charts of several runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/compared_runs.h"
#include "cloob/report/html_report.h"

namespace cloob {

/// The accuracies of the runs' zero_shot.json files; unset if none has one.
std::optional<ReportTable> zero_shot_table(const std::string& title, const std::vector<ComparedRun>& runs);
/// The last value of every metric of evaluations, and how long each run was; a column for each run.
ReportTable last_evaluations(const std::vector<ComparedRun>& runs);
/// The settings that are not the same in all runs; unset if there are none.
std::optional<ReportTable> different_settings(const std::vector<ComparedRun>& runs);
/// Curves of losses, a chart for each objective because their scales differ, and of everything else.
std::vector<Chart> comparison_charts(const std::vector<ComparedRun>& runs);

}  // namespace cloob

// The report of sweeps.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/retrieval_sheets.h"
#include "cloob/report/html_report.h"
#include "cloob/report/sweep_comparison.h"

namespace cloob {

struct SweepPage {
  HtmlReport html;
  std::string csv;
  nlohmann::ordered_json results;
};

/// Reads the folders of sweeps. `sheet_options` is unset without retrievals. Throws UserError.
SweepPage make_sweep_page(const std::vector<std::string>& folders, const SweepOptions& options,
                          const std::optional<SheetOptions>& sheet_options);

}  // namespace cloob

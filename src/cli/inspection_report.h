// Reports of what `inspect_source` found, as text, JSON or an HTML page.
#pragma once

#include <string>
#include <vector>

#include "cloob/prepare/inspect.h"
#include "cloob/report/html_report.h"

namespace cloob {

struct InspectionReport {
  std::vector<std::string> source;  ///< as on the command line
  InspectOptions options;
  double max_bad_share = 0;  ///< data.max_bad_share
  DataInspection found;
  /// The largest number of captions in the .json members of a few samples of which one caption is used; else 0.
  std::int64_t unused_captions = 0;
};

/// Prints a human-readable report to standard output.
void print_inspection(const InspectionReport& report);

/// All numbers and examples as one line of JSON.
std::string inspection_json(const InspectionReport& report);

/// The HTML page, with images read from `source`.
HtmlReport inspection_page(const InspectionReport& report, const Source& source);

}  // namespace cloob

// What `inspect_source` found: as text, as JSON, as a page.
#pragma once

#include <string>
#include <vector>

#include "cloob/data/inspect.h"
#include "cloob/report/html_report.h"

namespace cloob {

struct InspectionReport {
  std::vector<std::string> source;  ///< as on the command line
  InspectOptions options;
  double max_bad_share = 0;  ///< data.max_bad_share
  DataInspection found;
};

/// Prints the report to standard output, for people.
void print_inspection(const InspectionReport& report);

/// All numbers, examples included, as one line.
std::string inspection_json(const InspectionReport& report);

/// The page, with pictures that are read from `source`.
HtmlReport inspection_page(const InspectionReport& report, const Source& source);

}  // namespace cloob

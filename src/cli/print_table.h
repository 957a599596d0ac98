#pragma once

#include "cloob/report/html_report.h"

namespace cloob {

/// Prints a table to standard output: title, aligned columns, note. An empty title or note is omitted.
void print_table(const ReportTable& table);

}  // namespace cloob

#pragma once

#include "cloob/report/html_report.h"

namespace cloob {

/// Prints a table to standard output: its title, the cells in columns, its note. Titles and notes that are
/// empty take no line.
void print_table(const ReportTable& table);

}  // namespace cloob

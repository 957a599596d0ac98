// A report as one HTML file that needs nothing else: curves as inline SVG, pictures inside, light and dark.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/report/metrics.h"

namespace cloob {

struct ChartPoint {
  double x = 0;
  double y = 0;  ///< Not finite: a gap in the curve.
};

/// One curve. Curves of the same name have the same colour in all charts of a report.
struct ChartSeries {
  std::string name;
  std::vector<ChartPoint> points;
};

/// A level to compare with, such as chance: a dashed line with its name.
struct ChartLevel {
  std::string name;
  double y = 0;
};

struct Chart {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<ChartSeries> series;
  std::vector<ChartLevel> levels = {};
};

/// Every row has as many cells as the header. The first column is text, the others are read as figures.
struct ReportTable {
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::string note = {};  ///< Shown below; may be empty.
};

struct ReportPicture {
  std::string title;
  std::string note;
  std::string png;  ///< The content of a PNG file.
};

/// Shown in this order: tables, charts, pictures. All text is plain text, not HTML.
struct HtmlReport {
  std::string title;
  std::string summary;
  std::vector<ReportTable> tables;
  std::vector<Chart> charts;
  std::vector<ReportPicture> pictures;
};

/// `metric` over the samples seen, from the records that have it.
ChartSeries metric_curve(const std::string& name, const std::vector<MetricsRecord>& records,
                         std::string_view metric);

std::string render_html(const HtmlReport& report);

/// Writes the page atomically. Throws UserError.
void write_html_report(const std::filesystem::path& file, const HtmlReport& report);

}  // namespace cloob

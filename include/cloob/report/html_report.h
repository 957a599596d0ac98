// A report as one HTML file that needs nothing else: curves as inline SVG, pictures inside, light and dark.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
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

enum class HistogramScale {
  whole,  ///< of whole numbers: no bar is narrower than one
  linear,
  logarithmic,  ///< of numbers above zero
};

/// How often which numbers occur, as bars. A long thin end is drawn as one bar.
struct Histogram {
  std::string title;
  std::string x_label;
  std::string y_label;
  HistogramScale scale = HistogramScale::whole;
  std::map<double, std::int64_t> counts;  ///< Number -> how often; at least one.
  std::string note = {};                  ///< Shown below; may be empty.
};

/// Things that were noticed, each as a line of its own with a few smaller ones below.
struct ReportNotes {
  struct Note {
    std::string headline;
    std::vector<std::string> lines;
  };
  std::string title;
  std::vector<Note> notes;
};

/// Pictures side by side, as many in a row as the window takes.
struct ReportGallery {
  struct Item {
    std::string jpeg;  ///< The content of a JPEG file.
    std::string caption;
    std::string note;  ///< In small letters below it.
  };
  std::string title;
  std::string note;
  std::vector<Item> items;
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

/// Shown in this order: notes, tables, charts, histograms, galleries, pictures. All text is plain text, not
/// HTML.
struct HtmlReport {
  std::string title;
  std::string summary;
  std::vector<ReportNotes> notes = {};
  std::vector<ReportTable> tables;
  std::vector<Chart> charts;
  std::vector<Histogram> histograms = {};
  std::vector<ReportGallery> galleries = {};
  std::vector<ReportPicture> pictures;
};

/// `metric` over the samples seen, from the records that have it.
ChartSeries metric_curve(const std::string& name, const std::vector<MetricsRecord>& records,
                         std::string_view metric);

std::string render_html(const HtmlReport& report);

/// Writes the page atomically. Throws UserError.
void write_html_report(const std::filesystem::path& file, const HtmlReport& report);

}  // namespace cloob

// A report as one self-contained HTML file: curves as inline SVG, embedded images, light and dark mode. A short inline
// script shows the values of a curve under the pointer; without it nothing else is missing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/report/metrics.h"

namespace cloob {

struct ChartPoint {
  double x = 0;
  double y = 0;  ///< A gap in the curve if not finite.
  /// A band around the curve, where both are finite.
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

/// One curve. Curves with the same name have the same colour in all charts of a report.
struct ChartSeries {
  std::string name;
  std::vector<ChartPoint> points;
  std::string note = {};  ///< Shown after the name; may be empty.
};

/// A reference level, such as chance: a labelled dashed line.
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
  std::string group = {};  ///< Consecutive charts of a group have its name above them; may be empty.
  bool is_folded =
      false;  ///< The group begins folded, as ReportTable::is_folded; that of its first chart counts.
};

enum class HistogramScale {
  whole,  ///< for integers: no bar is narrower than one
  linear,
  logarithmic,  ///< for positive numbers
};

/// Frequencies of numbers, as bars. A long sparse tail is drawn as one bar.
struct Histogram {
  std::string title;
  std::string x_label;
  std::string y_label;
  HistogramScale scale = HistogramScale::whole;
  std::map<double, std::int64_t> counts;  ///< Number -> frequency; at least one entry.
  std::string note = {};                  ///< Shown below; may be empty.
};

enum class ScatterMark { round, square };

/// How many colours points can have.
inline constexpr std::size_t kScatterColors = 10;

struct ScatterGroup {
  std::string name;  ///< In the legend; empty: not there.
  ScatterMark mark = ScatterMark::round;
  std::optional<std::size_t> color = {};  ///< Less than kScatterColors; unset: grey and small.
  std::vector<std::pair<double, double>> points;
};

/// Points in the plane of two principal components, on the same scale. Later groups are drawn above earlier ones.
struct Scatter {
  std::string title;
  std::vector<ScatterGroup> groups;
  std::string note = {};   ///< Shown below; may be empty.
  std::string group = {};  ///< As Chart::group.
};

/// Observations, each with a headline and a few smaller lines below.
struct ReportNotes {
  struct Note {
    std::string headline;
    std::vector<std::string> lines;
  };
  std::string title;
  std::vector<Note> notes;
};

/// Images in a grid, as many per row as fit the window.
struct ReportGallery {
  struct Item {
    std::string jpeg;  ///< The content of a JPEG file.
    std::string caption;
    std::string note;  ///< Shown in small print below it.
  };
  std::string title;
  std::string note;
  std::vector<Item> items;
};

/// Every row has as many cells as the header. The first column is text, the others are formatted as numbers.
struct ReportTable {
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::string note = {};   ///< Shown below; may be empty.
  bool is_text = false;    ///< All columns are text, which may be long.
  bool is_folded = false;  ///< Only its title is shown until the reader opens it, or prints the page.
};

/// What systems answer to the same queries, each with a row of pictures.
struct ReportSheet {
  struct Picture {
    std::string jpeg;     ///< The content of a JPEG file; empty: missing.
    std::string caption;  ///< Shown below it.
    bool is_marked = false;
    std::string place = {};  ///< Where it is from: its alternative text, and shown in place of a missing one.
  };
  struct Row {
    std::string name;
    std::string note;
    std::vector<Picture> pictures;
  };
  struct Query {
    std::string caption;
    Picture picture;  ///< Without `place`: none.
    std::vector<Row> rows;
  };
  std::string title;
  std::string note;
  std::vector<Query> queries;
};

struct ReportImage {
  std::string title;
  std::string note;
  std::string png;  ///< The content of a PNG file.
};

/// Shown in this order: verdict, notes, tables, charts, scatters, histograms, sheets, galleries, images. All text is plain text,
/// not HTML.
struct HtmlReport {
  std::string title;
  std::string summary;
  std::vector<std::string> verdict = {};  ///< Paragraphs, the first of them the largest.
  std::vector<ReportNotes> notes = {};
  std::vector<ReportTable> tables;
  std::vector<Chart> charts;
  std::vector<Scatter> scatters = {};
  std::vector<Histogram> histograms = {};
  std::vector<ReportSheet> sheets = {};
  std::vector<ReportGallery> galleries = {};
  std::vector<ReportImage> pictures;
};

/// The curve of `metric` over the samples seen, from the records that contain it.
ChartSeries metric_curve(const std::string& name, const std::vector<MetricsRecord>& records,
                         std::string_view metric);

std::string render_html(const HtmlReport& report);

/// Title, summary, verdict, notes and tables in Markdown (with the tables of GitHub).
std::string render_markdown(const HtmlReport& report);

/// Writes the page atomically. Throws UserError.
void write_html_report(const std::filesystem::path& file, const HtmlReport& report);

}  // namespace cloob

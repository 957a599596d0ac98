#include "cloob/report/html_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "report/svg_chart.h"
#include "report/svg_frame.h"
#include "report/svg_histogram.h"

namespace cloob {
namespace {

// The colours differ in lightness as well as in hue, so that colour-blind readers can distinguish them, also
// in print.
constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--page:#f6f6f3;--card:#fff;--ink:#16150f;--muted:#5f5e58;--grid:#e8e7e1;--axis:#b9b8ae;
--c0:#2a78d6;--c1:#e4572e;--c2:#12946a;--c3:#6a4fc4;--c4:#c98500;--c5:#c2408f}
@media(prefers-color-scheme:dark){:root{--page:#111110;--card:#1b1b1a;--ink:#f3f2ee;--muted:#a8a79f;--grid:#2e2e2b;
--axis:#55544d;--c0:#5b9df0;--c1:#f27a54;--c2:#35b98a;--c3:#a08df0;--c4:#e0a63a;--c5:#e57fbd}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 20px 60px}
h1{font-size:28px;line-height:1.2;margin:0 0 8px;overflow-wrap:anywhere}h2{font-size:16px;margin:0 0 12px}
.summary{color:var(--muted);margin:0 0 28px;max-width:75ch;white-space:pre-line}
.card{background:var(--card);border:1px solid var(--grid);border-radius:10px;padding:18px 20px;margin:0 0 20px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));gap:20px;margin:0 0 20px}
.charts .card{margin:0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:7px 14px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}th:last-child,td:last-child{padding-right:0}
th{color:var(--muted);font-weight:600;font-size:13px}
tr:last-child td{border-bottom:0}
td:first-child{font-weight:600;white-space:pre-wrap;overflow-wrap:anywhere;min-width:13ch}
@media(max-width:640px){main{padding:24px 12px 40px}h1{font-size:22px}.card{padding:14px}th,td{padding:6px 8px}
}
.note{color:var(--muted);font-size:13px;margin:10px 0 0}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 8px;font-size:13px;color:var(--muted)}
.legend span{display:flex;align-items:center;gap:7px}.legend b{color:var(--ink);font-weight:600}
.legend i{width:16px;height:3px;border-radius:2px;background:var(--c)}
svg{display:block;width:100%;height:auto;overflow:visible}
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--muted)}
@media(max-width:640px){text{font-size:17px}}
.grid{stroke:var(--grid)}.axis{stroke:var(--axis);fill:none}
.level{stroke:var(--muted);stroke-dasharray:4 4;fill:none}
.curve{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.dot{fill:var(--c);stroke:var(--card);stroke-width:1.5}.hint{fill:transparent}.hint:hover{fill:var(--axis)}
.s0{--c:var(--c0)}.s1{--c:var(--c1)}.s2{--c:var(--c2)}.s3{--c:var(--c3)}.s4{--c:var(--c4)}.s5{--c:var(--c5)}
.bar{fill:var(--c0)}.bar:hover{fill:var(--c1)}
.notes{list-style:none;margin:0;padding:0}.notes li{padding:10px 0;border-bottom:1px solid var(--grid)}
.notes li:last-child{border-bottom:0}.notes b{font-weight:600}
.notes p{margin:2px 0 0;color:var(--muted);font-size:13px;overflow-wrap:anywhere}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:18px 14px;align-items:start}
figure{margin:0}figure img{max-height:160px;border:1px solid var(--axis);border-radius:0}
figcaption{margin-top:6px;font-size:13px;line-height:1.35;overflow-wrap:anywhere}
figcaption small{display:block;color:var(--muted);margin-top:2px}
img{display:block;max-width:100%;height:auto;border-radius:6px}
)";
constexpr std::size_t kNumColors = 6;

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::string note_text(const std::string& note) {
  return note.empty() ? std::string() : fmt::format("<p class=\"note\">{}</p>", html_escaped(note));
}

std::string table_row(const std::vector<std::string>& cells, std::string_view tag) {
  std::string row = "<tr>";
  for (const std::string& cell : cells) row += fmt::format("<{}>{}</{}>", tag, html_escaped(cell), tag);
  return row + "</tr>";
}

std::string table_card(const ReportTable& table) {
  std::string rows;
  for (const auto& row : table.rows) {
    CLOOB_CHECK(row.size() == table.header.size(), "{} cells, {} in the header", row.size(),
                table.header.size());
    rows += table_row(row, "td");
  }
  return fmt::format(
      "<section class=\"card\"><h2>{}</h2><div class=\"scroll\"><table><thead>{}</thead><tbody>{}</tbody>"
      "</table></div>{}</section>\n",
      html_escaped(table.title), table_row(table.header, "th"), rows, note_text(table.note));
}

// The name and last value of every curve.
std::string legend(const Chart& chart, const std::vector<std::string>& colors) {
  std::string entries;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const auto& points = chart.series[i].points;
    const auto last =
        std::find_if(points.rbegin(), points.rend(), [](const ChartPoint& p) { return std::isfinite(p.y); });
    const std::string value = last == points.rend() ? "no data" : fmt::format("{:.4g}", last->y);
    entries += fmt::format("<span class=\"{}\"><i></i>{} <b>{}</b></span>", colors[i],
                           html_escaped(chart.series[i].name), value);
  }
  return fmt::format("<div class=\"legend\">{}</div>", entries);
}

// One colour per name, in the order in which the names first appear in the report.
std::vector<std::string> color_classes(const Chart& chart, std::vector<std::string>& names) {
  std::vector<std::string> colors;
  for (const ChartSeries& series : chart.series) {
    auto found = std::find(names.begin(), names.end(), series.name);
    if (found == names.end()) found = names.insert(names.end(), series.name);
    colors.push_back(fmt::format("s{}", static_cast<std::size_t>(found - names.begin()) % kNumColors));
  }
  return colors;
}

std::string chart_card(const Chart& chart, const std::vector<std::string>& colors) {
  return fmt::format("<section class=\"card\"><h2>{}</h2>{}{}</section>\n", html_escaped(chart.title),
                     legend(chart, colors), svg_chart(chart, colors));
}

std::string notes_card(const ReportNotes& notes) {
  std::string items;
  for (const auto& [headline, lines] : notes.notes) {
    items += fmt::format("<li><b>{}</b>", html_escaped(headline));
    for (const std::string& line : lines) items += fmt::format("<p>{}</p>", html_escaped(line));
    items += "</li>";
  }
  return fmt::format("<section class=\"card\"><h2>{}</h2><ul class=\"notes\">{}</ul></section>\n",
                     html_escaped(notes.title), items);
}

std::string histogram_card(const Histogram& histogram) {
  return fmt::format("<section class=\"card\"><h2>{}</h2>{}{}</section>\n", html_escaped(histogram.title),
                     svg_histogram(histogram), note_text(histogram.note));
}

std::string gallery_card(const ReportGallery& gallery) {
  std::string items;
  for (const ReportGallery::Item& item : gallery.items) {
    items += fmt::format(
        "<figure><img alt=\"\" src=\"data:image/jpeg;base64,{}\"><figcaption>{}<small>{}</small></figcaption>"
        "</figure>\n",
        base64(item.jpeg), html_escaped(item.caption), html_escaped(item.note));
  }
  return fmt::format("<section class=\"card\"><h2>{}</h2><div class=\"gallery\">\n{}</div>{}</section>\n",
                     html_escaped(gallery.title), items, note_text(gallery.note));
}

std::string image_card(const ReportImage& image) {
  return fmt::format(
      "<section class=\"card\"><h2>{}</h2><img alt=\"{}\" src=\"data:image/png;base64,{}\">{}</section>\n",
      html_escaped(image.title), html_escaped(image.title), base64(image.png), note_text(image.note));
}

}  // namespace

ChartSeries metric_curve(const std::string& name, const std::vector<MetricsRecord>& records,
                         std::string_view metric) {
  ChartSeries series{.name = name, .points = {}};
  for (const MetricsRecord& record : records) {
    for (const auto& [key, value] : record.metrics) {
      if (key == metric) series.points.push_back({static_cast<double>(record.samples_seen), value});
    }
  }
  return series;
}

std::string render_html(const HtmlReport& report) {
  const std::string title = html_escaped(report.title);
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>{}</title><style>{}</style></head><body><main>\n<h1>{}</h1>"
      "<p class=\"summary\">{}</p>\n",
      title, kStyle, title, html_escaped(report.summary));
  for (const ReportNotes& notes : report.notes) page += notes_card(notes);
  for (const ReportTable& table : report.tables) page += table_card(table);
  std::vector<std::string> names;
  page += "<div class=\"charts\">\n";
  for (const Chart& chart : report.charts) page += chart_card(chart, color_classes(chart, names));
  for (const Histogram& histogram : report.histograms) page += histogram_card(histogram);
  page += "</div>\n";
  for (const ReportGallery& gallery : report.galleries) page += gallery_card(gallery);
  for (const ReportImage& image : report.pictures) page += image_card(image);
  return page + "</main></body></html>\n";
}

void write_html_report(const std::filesystem::path& file, const HtmlReport& report) {
  write_file_atomically(file, render_html(report));
}

}  // namespace cloob

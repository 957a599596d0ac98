#include "cloob/report/html_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "report/svg_chart.h"
#include "report/svg_frame.h"
#include "report/svg_histogram.h"
#include "report/svg_scatter.h"

namespace cloob {
namespace {

// The colours differ in lightness as well as in hue, so that colour-blind readers can distinguish them, also
// in print.
constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--page:#f6f6f3;--card:#fff;--ink:#16150f;--muted:#5f5e58;--grid:#e8e7e1;--axis:#b9b8ae;
--c0:#2a78d6;--c1:#e4572e;--c2:#12946a;--c3:#6a4fc4;--c4:#c98500;--c5:#c2408f;
--c6:#0c8fa3;--c7:#7a4a21;--c8:#7c9400;--c9:#a3122f}
@media(prefers-color-scheme:dark){:root{--page:#111110;--card:#1b1b1a;--ink:#f3f2ee;--muted:#a8a79f;--grid:#2e2e2b;
--axis:#55544d;--c0:#5b9df0;--c1:#f27a54;--c2:#35b98a;--c3:#a08df0;--c4:#e0a63a;--c5:#e57fbd;--c6:#42c6d6;--c7:#c79467;--c8:#b9d13c;--c9:#ff7d90}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 20px 60px}
h1{font-size:28px;line-height:1.2;margin:0 0 14px;overflow-wrap:anywhere}h2{font-size:16px;margin:0 0 12px}
.summary{color:var(--muted);margin:0 0 28px;max-width:75ch;white-space:pre-line;overflow-wrap:anywhere}
.card{background:var(--card);border:1px solid var(--grid);border-radius:10px;padding:18px 20px;margin:0 0 20px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(440px,100%),1fr));gap:20px;margin:0 0 20px}
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
.legend{display:flex;flex-direction:column;gap:2px;margin:10px 0 0;font-size:13px;color:var(--muted)}
.legend span{display:flex;align-items:center;gap:7px}.legend b{color:var(--ink);font-weight:600}
.legend i{flex:none;width:16px;height:3px;border-radius:2px;background:var(--c)}
svg{display:block;width:100%;height:auto;overflow:visible}
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--muted)}
@media(max-width:640px){text{font-size:17px}}
.grid{stroke:var(--grid)}.axis{stroke:var(--axis);fill:none}
.level{stroke:var(--muted);stroke-dasharray:4 4;fill:none}
.curve{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.dot{fill:var(--c);stroke:var(--card);stroke-width:1.5}
.s0{--c:var(--c0)}.s1{--c:var(--c1)}.s2{--c:var(--c2)}.s3{--c:var(--c3)}.s4{--c:var(--c4)}.s5{--c:var(--c5)}
.s6{--c:var(--c6)}.s7{--c:var(--c7)}.s8{--c:var(--c8)}.s9{--c:var(--c9)}
.dots{fill:none;stroke:var(--c,var(--axis));stroke-width:4.5;stroke-linecap:round;opacity:.6}
.dots.square{stroke-width:4;stroke-linecap:square}.dots.large{stroke-width:7;opacity:.85}.dots.square.large{stroke-width:6}
.legend.points{flex-direction:row;flex-wrap:wrap;gap:2px 16px;font-variant-numeric:tabular-nums}
.legend.points i{width:10px;height:10px;border-radius:50%}.legend.points .square i{border-radius:1px}
.band{fill:var(--c);opacity:.18;stroke:none}
.cursor{stroke:var(--ink);stroke-width:1;opacity:.6;fill:none;pointer-events:none}
.chart{touch-action:pan-y;outline-offset:4px}.legend .x{font-variant-numeric:tabular-nums}
.d1.curve{stroke-dasharray:8 5}.d2.curve{stroke-dasharray:2 5}
.legend .d1 i{background:repeating-linear-gradient(90deg,var(--c) 0 5px,transparent 5px 8px)}
.legend .d2 i{background:repeating-linear-gradient(90deg,var(--c) 0 2px,transparent 2px 5px)}
.group{margin:28px 0}
.verdict p{margin:0 0 10px;max-width:80ch;overflow-wrap:anywhere}.verdict p:last-child{margin:0}
.verdict p:first-child{font-size:18px;line-height:1.45}
.text td,.text th{text-align:left;white-space:pre-wrap;overflow-wrap:anywhere}
.scroll th:first-child,.scroll td:first-child{position:sticky;left:0;background:var(--card)}
summary{cursor:pointer;font-size:16px;font-weight:600}details[open] summary{margin-bottom:12px}
.note+.query{margin-top:14px}.query{padding:16px 0;border-top:1px solid var(--grid);break-inside:avoid}

.query h3{font-size:15px;margin:0 0 10px;overflow-wrap:anywhere}
.answers{display:grid;grid-template-columns:96px 1fr;gap:8px 18px}
.answers>div{min-width:0}.answers h4{font-size:13px;margin:8px 0 4px;font-weight:600;overflow-wrap:anywhere}
.answers h4 small{color:var(--muted);font-weight:400}
.row{display:grid;grid-template-columns:repeat(5,minmax(0,96px));gap:6px}
.picture img{width:100%;aspect-ratio:1;object-fit:cover;max-height:none;border:3px solid transparent;border-radius:6px}
.picture.marked img{border-color:var(--c2)}.picture.marked figcaption{color:var(--c2);font-weight:600}
.picture figcaption{font-size:12px;margin-top:2px;text-align:center;color:var(--muted)}
.picture .missing{aspect-ratio:1;border:1px dashed var(--axis);border-radius:6px;font-size:11px;padding:4px;overflow:hidden;
overflow-wrap:anywhere;color:var(--muted)}
@media(max-width:640px){.answers{grid-template-columns:56px 1fr;gap:8px 10px}.row{gap:3px}.verdict p:first-child{font-size:16px}
.picture img{border-width:2px}.picture figcaption{font-size:11px}}
.bar{fill:var(--c0)}.bar:hover{fill:var(--c1)}
.notes{list-style:none;margin:0;padding:0}.notes li{padding:10px 0;border-bottom:1px solid var(--grid)}
.notes li:last-child{border-bottom:0}.notes b{font-weight:600}
.notes li>p:first-child{color:var(--ink);font-size:15px;margin:0}
.notes p{margin:2px 0 0;color:var(--muted);font-size:13px;overflow-wrap:anywhere}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:18px 14px;align-items:start}
figure{margin:0}figure img{max-height:160px;border:1px solid var(--axis);border-radius:0}
figcaption{margin-top:6px;font-size:13px;line-height:1.35;overflow-wrap:anywhere}
figcaption small{display:block;color:var(--muted);margin-top:2px}
img{display:block;max-width:100%;height:auto;border-radius:6px}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--muted:#444;--grid:#ddd;--axis:#999;--c0:#2a78d6;
--c1:#e4572e;--c2:#12946a;--c3:#6a4fc4;--c4:#c98500;--c5:#c2408f;--c6:#0c8fa3;--c7:#7a4a21;--c8:#7c9400;--c9:#a3122f}
body{font-size:11px}main{padding:0;max-width:none}
.charts{grid-template-columns:1fr 1fr}.charts .card,figure{break-inside:avoid}th,td{padding:3px 5px}
td,th{white-space:normal}.scroll{overflow:visible}.cursor{display:none}tr{break-inside:avoid}h2,summary{break-after:avoid}
.verdict p:first-child{font-size:14px}.card{padding:10px 12px;margin-bottom:12px}*{print-color-adjust:exact}}
)";

// Shows the values of the curves at the place of the pointer, of a finger, or of the arrow keys in the legend below, and
// opens folded tables to print them.
constexpr std::string_view kScript = R"(
for(const svg of document.querySelectorAll("svg.chart")){
const curves=JSON.parse(svg.dataset.values),legend=svg.nextElementSibling,cursor=svg.querySelector(".cursor");
const shown=[...legend.querySelectorAll("b")],usual=shown.map(b=>b.textContent),place=legend.querySelector(".x");
const usualPlace=place.textContent;
const stops=[...new Map(curves.flat().map(p=>[p[0],p[1]]))].sort((a,b)=>a[0]-b[0]);
let at=stops.length;
const show=i=>{at=Math.max(0,Math.min(stops.length-1,i));if(!stops.length)return;const [left,x]=stops[at];
cursor.setAttribute("d",`M${left} 26V256`);place.textContent=`at ${x.toLocaleString("en")}`;
curves.forEach((points,c)=>{const p=points.find(q=>q[0]===left);
shown[c].textContent=p?p[2]+(p.length>3&&p[3]!==p[4]?` (${p[3]} to ${p[4]})`:""):"–"})};
const hide=()=>{cursor.setAttribute("d","");place.textContent=usualPlace;shown.forEach((b,c)=>{b.textContent=usual[c]})};
const point=e=>{const box=svg.getBoundingClientRect(),left=(e.clientX-box.left)*560/box.width;let best=0;
stops.forEach((s,i)=>{if(Math.abs(s[0]-left)<Math.abs(stops[best][0]-left))best=i});show(best)};
svg.addEventListener("pointermove",point);svg.addEventListener("pointerdown",point);
svg.addEventListener("pointerleave",hide);svg.addEventListener("blur",hide);
svg.addEventListener("keydown",e=>{const to={ArrowLeft:at-1,ArrowRight:at+1,Home:0,End:stops.length-1}[e.key];
if(e.key==="Escape")hide();else if(to!==undefined){e.preventDefault();show(to)}})}
const folded=[...document.querySelectorAll("details")];let open=[];
addEventListener("beforeprint",()=>{open=folded.map(d=>d.open);folded.forEach(d=>{d.open=true})});
addEventListener("afterprint",()=>folded.forEach((d,i)=>{d.open=open[i]}));
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
  const bool has_header = std::ranges::any_of(table.header, [](const auto& cell) { return !cell.empty(); });
  const std::string content =
      fmt::format("<div class=\"scroll\"><table{}>{}<tbody>{}</tbody></table></div>{}",
                  table.is_text ? " class=\"text\"" : "",
                  has_header ? fmt::format("<thead>{}</thead>", table_row(table.header, "th")) : "", rows,
                  note_text(table.note));
  const std::string title = html_escaped(table.title);
  return table.is_folded
             ? fmt::format("<section class=\"card\"><details><summary>{}</summary>{}</details></section>\n",
                           title, content)
             : fmt::format("<section class=\"card\"><h2>{}</h2>{}</section>\n", title, content);
}

// "0.41", or with a band "0.41 (0.39 to 0.43)".
std::string value_with_band(const ChartPoint& point) {
  const std::string value = fmt::format("{:.4g}", point.y);
  const bool has_band = std::isfinite(point.low) && std::isfinite(point.high) && point.low < point.high;
  return has_band ? fmt::format("{} ({:.4g} to {:.4g})", value, point.low, point.high) : value;
}

// The name and last value of every curve; the script shows other values in their place.
std::string legend(const Chart& chart, const std::vector<std::string>& colors) {
  std::string entries;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const auto& [name, points, note] = chart.series[i];
    const auto last =
        std::find_if(points.rbegin(), points.rend(), [](const ChartPoint& p) { return std::isfinite(p.y); });
    const std::string value = last == points.rend() ? "no data" : value_with_band(*last);
    entries += fmt::format("<span class=\"{}\"><i></i>{} <b>{}</b></span>", colors[i],
                           html_escaped(note.empty() ? name : name + " " + note), value);
  }
  return fmt::format("<div class=\"legend\" aria-live=\"polite\">{}<span class=\"x\">at the end</span></div>",
                     entries);
}

// One colour per name, in the order in which the names first appear in the report.
std::vector<std::string> color_classes(const Chart& chart, std::vector<std::string>& names) {
  std::vector<std::string> colors;
  for (const ChartSeries& series : chart.series) {
    auto found = std::find(names.begin(), names.end(), series.name);
    if (found == names.end()) found = names.insert(names.end(), series.name);
    const auto number = static_cast<std::size_t>(found - names.begin());
    colors.push_back(number < kNumColors
                         ? fmt::format("s{}", number)
                         : fmt::format("s{} d{}", number % kNumColors, 1 + number / kNumColors % 2));
  }
  return colors;
}

std::string chart_card(const Chart& chart, const std::vector<std::string>& colors) {
  return fmt::format("<section class=\"card\"><h2>{}</h2>{}{}</section>\n", html_escaped(chart.title),
                     svg_chart(chart, colors), legend(chart, colors));
}

std::string scatter_card(const Scatter& scatter) {
  std::string entries;
  for (const ScatterGroup& group : scatter.groups) {
    if (!group.name.empty())
      entries +=
          fmt::format("<span class=\"{}\"><i></i>{}</span>", scatter_class(group), html_escaped(group.name));
  }
  return fmt::format(
      "<section class=\"card\"><h2>{}</h2>{}<div class=\"legend points\">{}</div>{}</section>\n",
      html_escaped(scatter.title), svg_scatter(scatter), entries, note_text(scatter.note));
}

std::string notes_card(const ReportNotes& notes) {
  std::string items;
  for (const auto& [headline, lines] : notes.notes) {
    items += "<li>";
    if (!headline.empty()) items += fmt::format("<b>{}</b>", html_escaped(headline));
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

std::string sheet_picture(const ReportSheet::Picture& picture) {
  const std::string place = html_escaped(picture.place);
  const std::string content =
      picture.jpeg.empty() ? fmt::format("<div class=\"missing\">missing: {}</div>", place)
                           : fmt::format("<img alt=\"{}\" title=\"{}\" src=\"data:image/jpeg;base64,{}\">",
                                         place, place, base64(picture.jpeg));
  return fmt::format("<figure class=\"picture{}\">{}<figcaption>{}</figcaption></figure>",
                     picture.is_marked ? " marked" : "", content, html_escaped(picture.caption));
}

std::string sheet_card(const ReportSheet& sheet) {
  std::string queries;
  for (const ReportSheet::Query& query : sheet.queries) {
    std::string rows;
    for (const ReportSheet::Row& row : query.rows) {
      rows += fmt::format("<h4>{} <small>{}</small></h4><div class=\"row\">", html_escaped(row.name),
                          html_escaped(row.note));
      for (const ReportSheet::Picture& picture : row.pictures) rows += sheet_picture(picture);
      rows += "</div>";
    }
    queries += fmt::format(
        "<div class=\"query\"><h3>{}</h3><div class=\"answers\"><div>{}</div><div>{}</div></div></div>\n",
        html_escaped(query.caption), query.picture.place.empty() ? "" : sheet_picture(query.picture), rows);
  }
  return fmt::format("<section class=\"card\"><h2>{}</h2>{}{}</section>\n", html_escaped(sheet.title),
                     note_text(sheet.note), queries);
}

// Cards side by side, below the name of their group.
std::string group_of_cards(const std::string& name, const std::string& cards, bool is_folded) {
  const std::string grid = fmt::format("<div class=\"charts\">\n{}</div>\n", cards);
  return name.empty() ? grid
                      : fmt::format("<details class=\"group\"{}><summary>{}</summary>\n{}</details>\n",
                                    is_folded ? "" : " open", html_escaped(name), grid);
}

std::string chart_groups(const HtmlReport& report) {
  std::vector<std::string> names;
  std::string page;
  for (std::size_t i = 0; i < report.charts.size();) {
    const std::string& group = report.charts[i].group;
    const bool is_folded = report.charts[i].is_folded;
    std::string cards;
    for (; i < report.charts.size() && report.charts[i].group == group; ++i)
      cards += chart_card(report.charts[i], color_classes(report.charts[i], names));
    page += group_of_cards(group, cards, is_folded);
  }
  return page;
}

std::string scatter_groups(const std::vector<Scatter>& scatters) {
  std::string page;
  for (std::size_t i = 0; i < scatters.size();) {
    const std::string& group = scatters[i].group;
    std::string cards;
    for (; i < scatters.size() && scatters[i].group == group; ++i) cards += scatter_card(scatters[i]);
    page += group_of_cards(group, cards, /*is_folded=*/false);
  }
  return page;
}

std::string verdict_card(const std::vector<std::string>& verdict) {
  std::string paragraphs;
  for (const std::string& paragraph : verdict)
    paragraphs += fmt::format("<p>{}</p>", html_escaped(paragraph));
  return verdict.empty() ? "" : fmt::format("<section class=\"card verdict\">{}</section>\n", paragraphs);
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
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline';"
      "script-src 'unsafe-inline';img-src data:\">"
      "<title>{}</title><style>{}</style></head><body><main>\n<h1>{}</h1>"
      "{}\n",
      title, kStyle, title,
      report.summary.empty() ? "" : fmt::format("<p class=\"summary\">{}</p>", html_escaped(report.summary)));
  page += verdict_card(report.verdict);
  for (const ReportNotes& notes : report.notes) page += notes_card(notes);
  for (const ReportTable& table : report.tables) page += table_card(table);
  page += chart_groups(report) + scatter_groups(report.scatters);
  if (!report.histograms.empty()) {
    page += "<div class=\"charts\">\n";
    for (const Histogram& histogram : report.histograms) page += histogram_card(histogram);
    page += "</div>\n";
  }
  for (const ReportSheet& sheet : report.sheets) page += sheet_card(sheet);
  for (const ReportGallery& gallery : report.galleries) page += gallery_card(gallery);
  for (const ReportImage& image : report.pictures) page += image_card(image);
  if (!report.charts.empty() || std::ranges::any_of(report.tables, &ReportTable::is_folded))
    page += fmt::format("<script>{}</script>\n", kScript);
  return page + "</main></body></html>\n";
}

void write_html_report(const std::filesystem::path& file, const HtmlReport& report) {
  write_file_atomically(file, render_html(report));
}

}  // namespace cloob

#include "cloob/report/html_report.h"

#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "report/svg_chart.h"
#include "report/svg_frame.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Chart chart_of(std::vector<ChartSeries> series) {
  return {.title = "Loss", .x_label = "samples seen", .y_label = "loss", .series = std::move(series)};
}

int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

TEST(AxisTicks, AreRoundNumbersWithinTheInterval) {
  EXPECT_THAT(axis_ticks(0, 1, 5).labels, ElementsAre("0", "0.2", "0.4", "0.6", "0.8", "1.0"));
  EXPECT_THAT(axis_ticks(-0.13, 0.28, 5).labels, ElementsAre("-0.1", "0", "0.1", "0.2"));
  EXPECT_THAT(axis_ticks(0, 40960, 6).labels, ElementsAre("0", "10k", "20k", "30k", "40k"));
  EXPECT_THAT(axis_ticks(0, 2.4e6, 5).labels, ElementsAre("0", "0.5M", "1.0M", "1.5M", "2.0M"));
  EXPECT_THAT(axis_ticks(100, 103, 3).labels, ElementsAre("100", "101", "102", "103"));
  EXPECT_THAT(axis_ticks(0, 3e-4, 3).labels, ElementsAre("0", "0.0001", "0.0002", "0.0003"));
}

TEST(SvgChart, DrawsEachPointAtItsPosition) {
  // The plot reaches from (52, 256) to (544, 26); 0 and 4 are round numbers, so the axes end there.
  const std::string svg = svg_chart(chart_of({{"CLIP", {{0, 4}, {5, 0}, {10, 2}}}}), {"s0"});
  EXPECT_THAT(svg, HasSubstr(R"(class="curve s0" d="M52.0 26.0L298.0 256.0L544.0 141.0")"));
  // What the script shows: place in the drawing, x, y.
  EXPECT_THAT(svg, HasSubstr("data-values=\"[[[52.0,0.0,4.0],[298.0,5.0,0.0],[544.0,10.0,2.0]]]\""));
}

TEST(SvgChart, LeavesAGapAtNonFiniteValues) {
  const std::string svg = svg_chart(chart_of({{"CLIP", {{0, 4}, {5, std::nan("")}, {10, 2}}}}), {"s0"});
  EXPECT_THAT(svg, HasSubstr(R"(d="M52.0 )"));
  EXPECT_THAT(svg, HasSubstr("M544.0 "));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(SvgChart, DrawsABandBetweenTheExtremes) {
  const std::string svg = svg_chart(chart_of({{"CLIP", {{0, 2, 1, 4}, {5, 2, 0, 3}, {10, 2}}}}), {"s0"});
  EXPECT_THAT(svg, HasSubstr(R"(class="band s0" d="M52.0 26.0L298.0 83.5L298.0 256.0L52.0 198.5Z")"));
  EXPECT_THAT(svg, HasSubstr("[298.0,5.0,2.0,0.0,3.0],[544.0,10.0,2.0]"));
}

TEST(SvgChart, HandlesEmptyAndConstantSeries) {
  EXPECT_THAT(svg_chart(chart_of({{"CLIP", {}}}), {"s0"}), Not(HasSubstr("nan")));
  EXPECT_THAT(svg_chart(chart_of({{"CLIP", {{3, 7}}}}), {"s0"}), Not(HasSubstr("nan")));
  const double next = std::nextafter(1e20, 1e21);
  EXPECT_THAT(svg_chart(chart_of({{"CLIP", {{3, 1e20}, {4, next}}}}), {"s0"}), Not(HasSubstr("nan")));
}

TEST(SvgChart, ShowsLevelsWithinThePlot) {
  Chart chart = chart_of({{"CLIP", {{0, 0.5}, {10, 0.6}}}});
  chart.levels = {{"chance", 0}};
  EXPECT_THAT(svg_chart(chart, {"s0"}), HasSubstr(R"(class="level" d="M52 256.0H544")"));
}

HtmlReport sample_report() {
  HtmlReport report{.title = "A <b>", .summary = "x & y", .tables = {}, .charts = {}, .pictures = {}};
  report.tables.push_back({.title = "Results", .header = {"run", "acc1"}, .rows = {{"<CLIP>", "0.5"}}});
  report.charts.push_back(chart_of({{"CLIP", {{0, 1}, {1, 2}}}, {"CLOOB", {{0, 2}, {1, 3}}}}));
  report.charts.push_back(chart_of({{"CLOOB", {{0, 1}, {1, 2}}}}));
  report.notes.push_back({.title = "Notes", .notes = {{.headline = "5 > 4", .lines = {"<i>see</i>"}}}});
  report.histograms.push_back(
      {.title = "Lengths", .x_label = "<w>", .y_label = "texts", .counts = {{3, 2}}, .note = "<mean>"});
  report.galleries.push_back(
      {.title = "Sheet", .note = "", .items = {{"JPEG", "<script>alert(1)</script>", "a & b"}}});
  report.pictures.push_back({.title = "Data", .note = "first batch", .png = "PNG!"});
  report.verdict = {"CLOOB <= CLIP", "second"};
  report.tables.push_back(
      {.title = "Rest", .header = {"a|b", ""}, .rows = {{"x*y", "1"}}, .is_folded = true});
  const ReportSheet::Picture found = {.jpeg = "JPEG", .caption = "1", .is_marked = true, .place = "a\"b.jpg"};
  const ReportSheet::Picture lost = {.jpeg = "", .caption = "2", .is_marked = false, .place = "<lost>.jpg"};
  report.sheets.push_back(
      {.title = "Found",
       .note = "",
       .queries = {{.caption = "a <dog>",
                    .picture = found,
                    .rows = {{.name = "<b>CLIP</b>", .note = "rank 1", .pictures = {found, lost}}}}}});
  return report;
}

TEST(HtmlReport, IsSelfContained) {
  const std::string page = render_html(sample_report());
  for (const std::string external_reference :
       {"http:", "https:", "url(", "@import", "<link", "<script src", "fetch("}) {
    EXPECT_THAT(page, Not(HasSubstr(external_reference)));
  }
  EXPECT_THAT(page, HasSubstr("src=\"data:image/png;base64,UE5HIQ==\""));
  EXPECT_THAT(page, HasSubstr("src=\"data:image/jpeg;base64,SlBFRw==\""));
}

TEST(HtmlReport, EscapesAllText) {
  const std::string page = render_html(sample_report());
  EXPECT_THAT(page, HasSubstr("<h1>A &lt;b&gt;</h1>"));
  EXPECT_THAT(page, HasSubstr("x &amp; y"));
  EXPECT_THAT(page, HasSubstr("<td>&lt;CLIP&gt;</td><td>0.5</td>"));
  EXPECT_THAT(page, HasSubstr("<b>5 &gt; 4</b><p>&lt;i&gt;see&lt;/i&gt;</p>"));
  EXPECT_THAT(page, HasSubstr(">&lt;w&gt;</text>"));
  EXPECT_THAT(page, HasSubstr("<p class=\"note\">&lt;mean&gt;</p>"));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;<small>a &amp; b</small>"));
  EXPECT_THAT(page, HasSubstr("<p>CLOOB &lt;= CLIP</p>"));
  EXPECT_THAT(page, HasSubstr("<h3>a &lt;dog&gt;</h3>"));
  EXPECT_THAT(page, HasSubstr("<h4>&lt;b&gt;CLIP&lt;/b&gt; <small>rank 1</small></h4>"));
  EXPECT_THAT(page, HasSubstr("alt=\"a&quot;b.jpg\""));
  EXPECT_THAT(page, HasSubstr("missing: &lt;lost&gt;.jpg"));
  EXPECT_EQ(count_of(page, "<script"), 1);
  EXPECT_EQ(html_escaped("\"a\" < 'b' & c"), "&quot;a&quot; &lt; 'b' &amp; c");
}

TEST(HtmlReport, UsesOneColourPerNameInAllCharts) {
  const std::string page = render_html(sample_report());
  EXPECT_EQ(count_of(page, "class=\"curve s0\""), 1);  // CLIP
  EXPECT_EQ(count_of(page, "class=\"curve s1\""), 2);  // CLOOB
  EXPECT_EQ(count_of(page, "<span class=\"s1\"><i></i>CLOOB"), 2);
}

TEST(HtmlReport, HasOneStyleOfLineForEachNameEvenWithManyNames) {
  HtmlReport report{.title = "", .summary = "", .tables = {}, .charts = {chart_of({})}, .pictures = {}};
  for (int i = 0; i < 13; ++i) report.charts[0].series.push_back({std::to_string(i), {{0, 1}, {1, 2}}});
  const std::string page = render_html(report);
  for (const char* style : {"curve s0\"", "curve s5\"", "curve s0 d2\"", "curve s5 d2\"", "curve s0 d1\""})
    EXPECT_EQ(count_of(page, style), 1) << style;
}

TEST(HtmlReport, HasTheNameOfAGroupAboveItsCharts) {
  HtmlReport report{.title = "", .summary = "", .tables = {}, .charts = {}, .pictures = {}};
  for (const char* group : {"Recall", "Recall", "Loss"}) {
    report.charts.push_back(chart_of({{"CLIP", {{0, 1}}}}));
    report.charts.back().group = group;
    report.charts.back().is_folded = group == std::string("Loss");
  }
  const std::string page = render_html(report);
  EXPECT_EQ(count_of(page, "<details class=\"group\" open><summary>Recall</summary>"), 1);
  EXPECT_EQ(count_of(page, "<details class=\"group\"><summary>Loss</summary>"), 1);
}

TEST(MarkdownReport, HasTextAndTables) {
  const std::string text = render_markdown(sample_report());
  EXPECT_THAT(text,
              ::testing::StartsWith("# A \\<b\\>\n\nx \\& y\n\nCLOOB \\<= CLIP\n\nsecond\n\n## Notes\n\n"));
  EXPECT_THAT(text, HasSubstr("## Results\n\n| run | acc1 |\n| --- | ---: |\n| \\<CLIP\\> | 0.5 |\n"));
  EXPECT_THAT(text, HasSubstr("| a\\|b |  |\n"));
  EXPECT_THAT(text, HasSubstr("| x\\*y | 1 |\n"));
  EXPECT_EQ(text.back(), '\n');
}

TEST(HtmlReport, RejectsARowThatDoesNotMatchTheHeader) {
  HtmlReport report = sample_report();
  report.tables[0].rows.push_back({"only one"});
  EXPECT_THROW(render_html(report), InternalError);
}

TEST(HtmlReport, IsWrittenToAFile) {
  const testing::TempDir folder;
  write_html_report(folder / "index.html", sample_report());
  EXPECT_EQ(read_file(folder / "index.html"), render_html(sample_report()));
}

TEST(MetricCurve, UsesTheRecordsThatContainTheMetric) {
  const std::vector<MetricsRecord> records = {
      {.step = 1,
       .epoch = 0,
       .samples_seen = 8,
       .time_s = 0,
       .metrics = {{"train/loss", 3.0}, {"train/lr", 0.1}}},
      {.step = 2, .epoch = 0, .samples_seen = 16, .time_s = 0, .metrics = {{"val/loss", 5.0}}},
      {.step = 3, .epoch = 0, .samples_seen = 24, .time_s = 0, .metrics = {{"train/loss", 2.0}}}};
  const ChartSeries series = metric_curve("CLIP", records, "train/loss");
  EXPECT_EQ(series.name, "CLIP");
  ASSERT_EQ(series.points.size(), 2U);
  EXPECT_EQ(series.points[1].x, 24);
  EXPECT_EQ(series.points[1].y, 2.0);
}

}  // namespace
}  // namespace cloob

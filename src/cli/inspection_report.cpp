#include "cli/inspection_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/inspection_words.h"
#include "cli/print_table.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

// ".jpg .txt"
std::string members_text(const std::string& kind) { return fmt::format(".{}", join(split(kind, ','), " .")); }

std::vector<std::pair<std::string, std::int64_t>> most_frequent_kinds(const DataInspection& found) {
  std::vector<std::pair<std::string, std::int64_t>> kinds(found.member_kinds.begin(),
                                                          found.member_kinds.end());
  std::ranges::stable_sort(kinds, [](const auto& a, const auto& b) { return a.second > b.second; });
  constexpr std::size_t kMax = 8;
  if (kinds.size() > kMax) kinds.resize(kMax);
  return kinds;
}

ReportTable overview_table(const DataInspection& found) {
  ReportTable table{.title = "Overview", .header = {"", "count", "fraction"}, .rows = {}};
  const auto add = [&](const std::string& name, std::int64_t count, const std::string& fraction) {
    table.rows.push_back({name, with_thousands(count), fraction});
  };
  add("files", found.num_files, "");
  add("samples", found.num_samples, "");
  for (const auto& [kind, count] : most_frequent_kinds(found))
    add("  with " + members_text(kind), count, percent_text(count, found.num_samples));
  add("inspected", found.num_inspected, percent_text(found.num_inspected, found.num_samples));
  add("usable", found.num_usable, percent_text(found.num_usable, found.num_inspected));
  for (const auto& [format, count] : found.formats)
    add("  " + format, count, percent_text(count, found.num_usable));
  add("captions", found.num_captions, "");
  return table;
}

ReportTable measures_table(const DataInspection& found) {
  ReportTable table{.title = "Lengths and sizes",
                    .header = {"", "smallest", "5 %", "median", "mean", "95 %", "largest"},
                    .rows = {}};
  for (const auto& [name, measure] : EnumNames<Measure>::names) {
    const Distribution& values = found.of(measure);
    if (values.count() == 0) continue;
    std::vector<std::string> row = {std::string(words_of(measure).title)};
    for (const double value : {values.min(), values.quantile(0.05), values.quantile(0.5), values.mean(),
                               values.quantile(0.95), values.max()})
      row.push_back(figure_text(value));
    table.rows.push_back(std::move(row));
  }
  return table;
}

ReportTable captions_table(const DataInspection& found) {
  ReportTable table{
      .title = "Most frequent captions", .header = {"caption", "count", "fraction"}, .rows = {}};
  for (const auto& [caption, count] : found.frequent_captions)
    table.rows.push_back({caption, with_thousands(count), percent_text(count, found.num_captions)});
  return table;
}

void print_findings(const char* title, const std::vector<Finding>& findings) {
  if (findings.empty()) return;
  fmt::print("\n{}\n", title);
  for (const Finding& finding : findings) {
    fmt::print("\n  {}\n", finding.headline);
    fmt::print("    {}\n", example_text(finding.tally->examples.at(0)));
    if (!finding.advice.empty()) fmt::print("    -> {}\n", finding.advice);
  }
}

ReportNotes notes_of(std::string title, const std::vector<Finding>& findings) {
  ReportNotes notes{.title = std::move(title), .notes = {}};
  for (const Finding& finding : findings) {
    ReportNotes::Note note{.headline = finding.headline, .lines = {}};
    for (const InspectionExample& example : finding.tally->examples)
      note.lines.push_back(example_text(example));
    if (!finding.advice.empty()) note.lines.push_back("What to do: " + finding.advice + ".");
    notes.notes.push_back(std::move(note));
  }
  return notes;
}

Histogram histogram_of(const DataInspection& found, Measure measure) {
  const MeasureWords words = words_of(measure);
  const Distribution& values = found.of(measure);
  return {.title = std::string(words.title),
          .x_label = std::string(words.unit),
          .y_label = std::string(words.counted),
          .scale = words.scale,
          .counts = values.counts(),
          .note = fmt::format("Median {}, 90 % between {} and {}.", figure_text(values.quantile(0.5)),
                              figure_text(values.quantile(0.05)), figure_text(values.quantile(0.95)))};
}

std::string summary_text(const InspectionReport& report) {
  const DataInspection& found = report.found;
  return fmt::format("{} in {}; {} of the inspected ones are usable, with {}.\n{}\n{}\n{}",
                     counted(found.num_samples, "sample"), counted(found.num_files, "file"),
                     percent_text(found.num_usable, found.num_inspected),
                     counted(found.num_captions, "caption"), coverage_text(report), stop_text(report),
                     unused_text(report));
}

// The example images of every suspicion about images.
ReportGallery suspects_gallery(const InspectionReport& report, const Source& source, int side) {
  ReportGallery gallery{.title = "Suspicious images", .note = "", .items = {}};
  for (const auto& [name, suspicion] : EnumNames<Suspicion>::names) {
    if (unit_of(suspicion) != SuspicionUnit::picture) continue;
    std::string words(name);
    std::ranges::replace(words, '_', ' ');
    for (const InspectionExample& example : report.found.of(suspicion).examples) {
      for (SampleView& view : view_samples(source, std::array{example.index}, side)) {
        gallery.items.push_back({.jpeg = std::move(view.jpeg),
                                 .caption = fmt::format("{}: {}", words, example.detail),
                                 .note = example.place});
      }
    }
  }
  return gallery;
}

ReportGallery spread_gallery(const InspectionReport& report, const Source& source, int side) {
  ReportGallery gallery{.title = "Samples spread over the source",
                        .note = "Complete images as they are stored, each with its first caption.",
                        .items = {}};
  for (SampleView& view : view_samples(source, report.found.spread, side))
    gallery.items.push_back(
        {.jpeg = std::move(view.jpeg), .caption = std::move(view.caption), .note = std::move(view.place)});
  return gallery;
}

Json json_of(const InspectionTally& tally) {
  Json json = {{"count", tally.count}, {"examples", Json::array()}};
  for (const InspectionExample& example : tally.examples)
    json["examples"].push_back({{"place", example.place}, {"detail", example.detail}});
  return json;
}

Json json_of(const Distribution& values) {
  Json json = {{"count", values.count()}};
  if (values.count() == 0) return json;
  json.update({{"min", values.min()},
               {"p5", values.quantile(0.05)},
               {"median", values.quantile(0.5)},
               {"mean", values.mean()},
               {"p95", values.quantile(0.95)},
               {"max", values.max()}});
  return json;
}

}  // namespace

void print_inspection(const InspectionReport& report) {
  ReportTable overview = overview_table(report.found);
  overview.title = join(report.source, " ");
  print_table(overview);
  fmt::print("\n");
  ReportTable measures = measures_table(report.found);
  measures.title.clear();
  if (!measures.rows.empty()) print_table(measures);
  print_findings("Unusable", unusable_findings(report));
  if (const std::string text = stop_text(report); !text.empty()) fmt::print("\n  {}\n", text);
  if (const std::string text = unused_text(report); !text.empty()) fmt::print("\n{}\n", text);
  print_findings("Suspicious", suspicious_findings(report));
  if (!report.found.frequent_captions.empty()) {
    fmt::print("\nMost frequent captions\n\n");
    for (const auto& [caption, count] : report.found.frequent_captions)
      fmt::print("  {:>9}  {}\n", with_thousands(count), caption);
  }
  fmt::print("\n{}\n", coverage_text(report));
}

std::string inspection_json(const InspectionReport& report) {
  const DataInspection& found = report.found;
  Json json = {{"source", report.source},
               {"num_files", found.num_files},
               {"num_samples", found.num_samples},
               {"members", found.member_kinds},
               {"num_inspected", found.num_inspected},
               {"num_usable", found.num_usable},
               {"num_captions", found.num_captions},
               {"image_bytes", found.image_bytes},
               {"image_size", report.options.image_size},
               {"context_length", report.options.context_length},
               {"formats", found.formats}};
  for (std::size_t kind = 0; kind < kNumBadKinds; ++kind)
    json["unusable"][bad_kind_id(static_cast<BadKind>(kind))] = json_of(found.unusable[kind]);
  for (const auto& [name, suspicion] : EnumNames<Suspicion>::names) {
    Json& entry = json["suspicious"][std::string(name)] = json_of(found.of(suspicion));
    entry["of"] = found.total_of(suspicion);
  }
  for (const auto& [name, measure] : EnumNames<Measure>::names)
    json["measures"][std::string(name)] = json_of(found.of(measure));
  json["frequent_captions"] = Json::array();
  for (const auto& [caption, count] : found.frequent_captions)
    json["frequent_captions"].push_back({{"caption", caption}, {"count", count}});
  // Names of files and members may not be valid UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

HtmlReport inspection_page(const InspectionReport& report, const Source& source) {
  constexpr int kSide = 300;  // sharp on displays with two pixels per CSS pixel
  HtmlReport page{.title = "Data: " + join(report.source, " "),
                  .summary = summary_text(report),
                  .tables = {overview_table(report.found), measures_table(report.found)},
                  .charts = {},
                  .pictures = {}};
  if (!report.found.frequent_captions.empty()) page.tables.push_back(captions_table(report.found));
  for (const auto& [title, findings] : {std::pair("Unusable samples", unusable_findings(report)),
                                        std::pair("Suspicious samples", suspicious_findings(report))}) {
    if (!findings.empty()) page.notes.push_back(notes_of(title, findings));
  }
  for (const auto& [name, measure] : EnumNames<Measure>::names) {
    if (report.found.of(measure).count() > 0) page.histograms.push_back(histogram_of(report.found, measure));
  }
  for (const ReportGallery& gallery :
       {spread_gallery(report, source, kSide), suspects_gallery(report, source, kSide)}) {
    if (!gallery.items.empty()) page.galleries.push_back(gallery);
  }
  return page;
}

}  // namespace cloob

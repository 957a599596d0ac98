#include "cli/search_gallery.h"

#include <fmt/core.h>

#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/image_files.h"
#include "cloob/image/decode.h"
#include "cloob/report/html_report.h"
#include "cloob/search/thumbnail.h"

namespace cloob {
namespace {

std::string caption_of(const IndexEntry& entry) {
  return entry.captions.empty() ? entry.key : entry.captions.front();
}

ReportGallery::Item item_of(const SearchIndex& index, const SearchResult& result, std::size_t rank) {
  const IndexEntry entry = index.entry(result.row);
  std::string note = fmt::format("{} | score {:.4f} | entry {}", rank, result.score, result.row);
  if (!result.copies.empty())
    note +=
        fmt::format(" | {} with the same content",
                    result.copies.size() == 1 ? "1 other entry"
                                              : with_thousands(std::ssize(result.copies)) + " other entries");
  if (!entry.captions.empty()) note += " | " + entry.key;
  return {.jpeg = thumbnail_of(index, result.row), .caption = caption_of(entry), .note = note};
}

ReportGallery results_of(const SearchIndex& index, const SearchAnswer& answer, const std::string& title) {
  ReportGallery results{.title = title, .note = "", .items = {}};
  for (std::size_t i = 0; i < answer.results.size(); ++i)
    results.items.push_back(item_of(index, answer.results[i], i + 1));
  return results;
}

// What the query retrieved, and what each pair changed.
ReportGallery retrieved_of(const SearchIndex& index, const ShownEffect& shown) {
  ReportGallery pairs{
      .title = fmt::format("Retrieved from {}", shown.memory.folder().string()),
      .note =
          "Pairs of the memory that refined the query. A pair brought a result if that would be none without "
          "it, and changed the order if the same results would come in another one.",
      .items = {}};
  for (const RetrievedPair& pair : shown.effect.pairs) {
    const IndexEntry entry = shown.memory.entry(pair.row);
    pairs.items.push_back(
        {.jpeg = thumbnail_of(shown.memory, pair.row),
         .caption = caption_of(entry),
         .note = fmt::format("{} | similarity {:.4f} | entry {} | {}", pairs.items.size() + 1,
                             pair.similarity, pair.row, describe_effect(index, pair))});
  }
  return pairs;
}

}  // namespace

std::string thumbnail_of(const SearchIndex& index, std::int64_t row) {
  if (auto jpeg = index.thumbnail(row); jpeg && !jpeg->empty()) return *jpeg;
  const std::string path = index.entry(row).path;
  if (path.empty()) return blank_thumbnail();
  try {
    const auto bytes = read_image_file(path);
    checked_image_size(bytes, kMaxImagePixels);
    return make_thumbnail(bytes);
  } catch (const BadSample&) {
  } catch (const DecodeError&) {
  }
  return blank_thumbnail();
}

void write_gallery(const std::filesystem::path& file, const SearchIndex& index, const ShownQuery& query,
                   const SearchAnswer& answer, const std::string& summary,
                   const std::optional<ShownEffect>& shown_effect) {
  HtmlReport page{.title = query.text, .summary = summary, .tables = {}, .charts = {}, .pictures = {}};
  if (!query.thumbnail.empty()) {
    page.galleries.push_back({.title = "Query",
                              .note = "",
                              .items = {{.jpeg = query.thumbnail, .caption = query.text, .note = ""}}});
  }
  page.galleries.push_back(results_of(index, answer, "Results"));
  if (shown_effect) {
    ReportGallery& results = page.galleries.back();
    const SearchAnswer& before = shown_effect->effect.without_memory;
    for (std::size_t i = 0; i < answer.results.size(); ++i) {
      const auto rank = rank_in(index, before, answer.results[i].row);
      results.items[i].note += rank ? fmt::format(" | rank {} without the memory", *rank)
                                    : " | not among the results without the memory";
    }
    page.galleries.push_back(retrieved_of(index, *shown_effect));
    page.galleries.push_back(results_of(index, before, "Results without the memory"));
  }
  write_html_report(file, page);
}

}  // namespace cloob

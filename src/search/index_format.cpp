#include "cloob/search/index_format.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"
#include "search/product_quantizer.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kWrittenBy = "cloob index";
// Products of any three of the limits and of the size of a number fit into 63 bits.
constexpr std::int64_t kMaxCount = std::int64_t{1} << 36, kMaxDims = std::int64_t{1} << 16,
                       kMaxLinks = std::int64_t{1} << 10, kMaxLayers = 64;
// faiss numbers the entries of a graph by 32 bits.
constexpr std::int64_t kMaxGraph = std::numeric_limits<std::int32_t>::max();

std::string text_in(const Json& json, const std::string& name) {
  if (!json.is_object() || !json.contains(name) || !json[name].is_string())
    throw JsonError(fmt::format("has no text '{}'", name));
  return json[name].get<std::string>();
}

std::int64_t number_in(const Json& json, const std::string& name, std::int64_t min, std::int64_t max) {
  if (!json.is_object() || !json.contains(name)) throw JsonError(fmt::format("has no '{}'", name));
  return json_integer(json[name], name, min, max);
}

template <class Enum>
Enum enum_in(const Json& json, const std::string& name) {
  const std::string text = text_in(json, name);
  for (const auto& [word, value] : EnumNames<Enum>::names) {
    if (word == text) return value;
  }
  throw JsonError(fmt::format("has the unknown {} '{}'", name, text));
}

// As NumPy calls them.
const char* dtype_of(FeatureType type) { return type == FeatureType::fp16 ? "float16" : "float32"; }

FeatureType type_in(const Json& json) {
  const std::string dtype = text_in(json, "dtype");
  for (const auto& [word, type] : EnumNames<FeatureType>::names) {
    if (dtype == dtype_of(type)) return type;
  }
  throw JsonError(fmt::format("has features of type {}, not float16 or float32", dtype));
}

Json side_to_json(const IndexSide& side) {
  Json json = Json::object();
  if (side.ivf) json["ivf"] = {{"lists", side.ivf->lists}, {"probes", side.ivf->probes}};
  if (side.ivfpq) {
    json["ivfpq"] = {
        {"lists", side.ivfpq->lists}, {"probes", side.ivfpq->probes}, {"code_bytes", side.ivfpq->code_bytes}};
  }
  if (side.hnsw) {
    json["hnsw"] = {{"links", side.hnsw->links},
                    {"max_layer", side.hnsw->max_layer},
                    {"entry_point", side.hnsw->entry_point},
                    {"total_links", side.hnsw->total_links}};
  }
  return json;
}

IndexSide side_from_json(const Json& json, const IndexHeader& header) {
  IndexSide side;
  if (header.kind == IndexKind::ivf) {
    if (!json.contains("ivf")) throw JsonError("has no 'ivf'");
    const std::int64_t lists = number_in(json["ivf"], "lists", 1, header.count);
    side.ivf = {lists, number_in(json["ivf"], "probes", 1, lists)};
  }
  if (header.kind == IndexKind::ivfpq) {
    if (!json.contains("ivfpq")) throw JsonError("has no 'ivfpq'");
    const std::int64_t lists = number_in(json["ivfpq"], "lists", 1, header.count);
    side.ivfpq = {lists, number_in(json["ivfpq"], "probes", 1, lists),
                  number_in(json["ivfpq"], "code_bytes", 1, header.dims)};
    if (code_shape(header.dims, side.ivfpq->code_bytes).bytes != side.ivfpq->code_bytes)
      throw JsonError(fmt::format("has codes of {} bytes for {} numbers, which leave some empty",
                                  side.ivfpq->code_bytes, header.dims));
  }
  if (header.kind == IndexKind::hnsw) {
    if (!json.contains("hnsw")) throw JsonError("has no 'hnsw'");
    const Json& hnsw = json["hnsw"];
    side.hnsw = {number_in(hnsw, "links", 2, kMaxLinks), number_in(hnsw, "max_layer", 0, kMaxLayers - 1),
                 number_in(hnsw, "entry_point", 0, header.count - 1),
                 number_in(hnsw, "total_links", 1, header.count * 2 * kMaxLinks)};
  }
  return side;
}

Json check_to_json(const FeatureCheck& check) {
  return {{"images", check.images}, {"captions", check.captions}, {"lowest_cosine", check.lowest_cosine}};
}

Json deduplications_to_json(const std::vector<Deduplication>& deduplications) {
  Json json = Json::array();
  for (const Deduplication& each : deduplications) {
    json.push_back({{"data", each.data},
                    {"split", each.split},
                    {"threshold", each.threshold},
                    {"images", each.images},
                    {"removed", each.removed},
                    {"added_since", each.added_since}});
  }
  return json;
}

double cosine_in(const Json& json, const std::string& name) {
  if (!json.is_object() || !json.contains(name) || !json[name].is_number())
    throw JsonError(fmt::format("has no number '{}'", name));
  return json[name].get<double>();
}

Deduplication deduplication_from_json(const Json& json) {
  return {.data = text_in(json, "data"),
          .split = json.contains("split") ? text_in(json, "split") : "",
          .threshold = cosine_in(json, "threshold"),
          .images = number_in(json, "images", 0, kMaxCount),
          .removed = number_in(json, "removed", 0, kMaxCount),
          .added_since = number_in(json, "added_since", 0, kMaxCount)};
}

// What version 1 did not have.
void read_history(const Json& json, IndexHeader& header) {
  if (json.contains("removed")) header.removed = number_in(json, "removed", 0, header.count);
  if (json.contains("verified")) {
    if (!json["verified"].is_boolean()) throw JsonError("has no truth value 'verified'");
    header.is_verified = json["verified"].get<bool>();
  }
  if (json.contains("check")) {
    const Json& check = json["check"];
    header.check = {.images = number_in(check, "images", 0, kMaxCount),
                    .captions = number_in(check, "captions", 0, kMaxCount),
                    .lowest_cosine = cosine_in(check, "lowest_cosine")};
  }
  if (json.contains("deduplicated")) {
    if (!json["deduplicated"].is_array()) throw JsonError("has no list 'deduplicated'");
    for (const Json& each : json["deduplicated"])
      header.deduplicated.push_back(deduplication_from_json(each));
  }
  if (json.contains("build")) header.build = text_in(json, "build");
}

IndexHeader header_from_json(const Json& json) {
  IndexHeader header;
  header.kind = enum_in<IndexKind>(json, "kind");
  header.type = type_in(json);
  header.dims = number_in(json, "dims", 1, kMaxDims);
  header.count = number_in(json, "count", 1, header.kind == IndexKind::hnsw ? kMaxGraph : kMaxCount);
  header.skipped = number_in(json, "skipped", 0, kMaxCount);
  header.has_thumbnails = json.contains("thumbnails") && json["thumbnails"] == true;
  if (json.contains("model") && !json["model"].is_null()) {
    header.model = {text_in(json["model"], "hash"), text_in(json["model"], "name"),
                    text_in(json["model"], "checkpoint")};
  }
  if (!json.contains("features") || !json["features"].is_object()) throw JsonError("has no 'features'");
  for (const auto& [word, side] : EnumNames<Side>::names) {
    if (const std::string name(word); json["features"].contains(name))
      header.sides[side] = side_from_json(json["features"][name], header);
  }
  if (header.sides.empty()) throw JsonError("has no features of images or texts");
  if (json.contains("sources") && json["sources"].is_array()) {
    for (const Json& source : json["sources"]) {
      if (source.is_string()) header.sources.push_back(source.get<std::string>());
    }
  }
  read_history(json, header);
  return header;
}

std::uint64_t bytes_of(std::int64_t count, std::int64_t columns, std::size_t size) {
  return static_cast<std::uint64_t>(count) * static_cast<std::uint64_t>(columns) * size;
}

// What follows from the counts; the two files of any size are not part of it.
std::map<std::string, std::uint64_t> expected_sizes(const IndexHeader& header) {
  constexpr std::size_t kHalf = 2, kInt = 4, kFloat = 4, kLong = 8;
  const auto number = static_cast<std::size_t>(size_of(header.type));
  const std::int64_t count = header.count;
  std::map<std::string, std::uint64_t> sizes = {{"entries.offsets", bytes_of(count + 1, 1, kLong)},
                                                {"keys.hashes", bytes_of(count, 1, kLong)},
                                                {"contents.hashes", bytes_of(count, 1, kLong)}};
  if (header.has_thumbnails) sizes["thumbnails.offsets"] = bytes_of(count + 1, 1, kLong);
  if (header.removed > 0) sizes[removed_file(header)] = bytes_of(header.removed, 1, kLong);
  for (const auto& [side, shape] : header.sides) {
    const std::string name(enum_name(side));
    sizes[name + ".features"] = bytes_of(count, header.dims, number);
    if (shape.ivf) {
      sizes[name + ".ivf.centroids"] = bytes_of(shape.ivf->lists, header.dims, kHalf);
      sizes[name + ".ivf.offsets"] = bytes_of(shape.ivf->lists + 1, 1, kLong);
      sizes[name + ".ivf.rows"] = bytes_of(count, 1, kLong);
      sizes[name + ".ivf.features"] = bytes_of(count, header.dims, number);
    }
    if (shape.ivfpq) {
      const CodeShape code = code_shape(header.dims, shape.ivfpq->code_bytes);
      sizes[name + ".ivfpq.centroids"] = bytes_of(shape.ivfpq->lists, header.dims, kHalf);
      sizes[name + ".ivfpq.offsets"] = bytes_of(shape.ivfpq->lists + 1, 1, kLong);
      sizes[name + ".ivfpq.rows"] = bytes_of(count, 1, kLong);
      sizes[name + ".ivfpq.codebooks"] = bytes_of(code.bytes * code.numbers, kCodeWords, kFloat);
      sizes[name + ".ivfpq.codes"] = bytes_of(count, code.bytes, 1);
    }
    if (shape.hnsw) {
      sizes[name + ".hnsw.levels"] = bytes_of(count, 1, kInt);
      sizes[name + ".hnsw.links"] = bytes_of(shape.hnsw->total_links, 1, kInt);
    }
  }
  return sizes;
}

void require_size(const fs::path& file, std::uint64_t expected) {
  std::error_code error;
  const std::uint64_t found = fs::file_size(file, error);
  if (error) throw_user_error("the index is not complete: '{}': {}", file.string(), error.message());
  if (found == expected) return;
  throw_user_error("'{}' has {} bytes, but {} are expected from {} beside it: {}, index again", file.string(),
                   found, expected, kIndexFile,
                   found < expected ? "it is truncated" : "it does not belong to it");
}

void require_files(const fs::path& folder, const Json& json, const IndexHeader& header) {
  for (const auto& [name, bytes] : expected_sizes(header)) require_size(folder / name, bytes);
  std::vector<std::string> free = {"entries.jsonl"};
  if (header.has_thumbnails) free.emplace_back("thumbnails.jpg");
  for (const std::string& name : free) {
    if (!json.contains("files")) throw JsonError("has no 'files'");
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    require_size(folder / name, static_cast<std::uint64_t>(number_in(json["files"], name, 0, kMost)));
  }
}

Json parse_header(const fs::path& folder) {
  const fs::path file = folder / kIndexFile;
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) throw_user_error("there is no folder '{}'", folder.string());
  if (!fs::exists(file, ignored)) {
    throw_user_error(
        "'{}' is not an index: there is no {} in it; 'cloob index' makes one, and 'cloob memory build' a memory",
        folder.string(), kIndexFile);
  }
  return parse_json(read_small_file(file, kMaxIndexFile, "the header of an index"));
}

}  // namespace

std::string removed_file(const IndexHeader& header) { return fmt::format("removed.{}.rows", header.removed); }

std::string describe(const IndexModel& model) {
  constexpr std::size_t kShownDigits = 12;
  return fmt::format("{} (hash {}, from '{}')", model.name, model.hash.substr(0, kShownDigits),
                     model.checkpoint);
}

namespace {

// As many names as fit into a part of the description, and the number of the others: a pattern may stand for very many files.
std::vector<std::string> shortened(const std::vector<std::string>& sources) {
  constexpr std::size_t kMostBytes = kMaxIndexFile / 8;
  std::vector<std::string> shown;
  std::size_t bytes = 0;
  for (const std::string& source : sources) {
    bytes += source.size();
    if (bytes > kMostBytes) break;
    shown.push_back(source);
  }
  if (shown.size() < sources.size())
    shown.push_back(fmt::format("... and {} more", with_thousands(std::ssize(sources) - std::ssize(shown))));
  return shown;
}

}  // namespace

bool holds_build(const IndexHeader& header, std::string_view id) {
  const std::vector<std::string> builds = split(header.build, ' ');
  return std::ranges::find(builds, id) != builds.end();
}

void add_build(IndexHeader& header, std::string_view id) {
  if (!header.build.empty()) header.build += ' ';
  header.build += id;
}

void write_index_header(const fs::path& folder, const IndexHeader& header) {
  nlohmann::ordered_json json = {{"written_by", kWrittenBy},       {"format_version", kIndexFormat},
                                 {"kind", enum_name(header.kind)}, {"dims", header.dims},
                                 {"count", header.count},          {"dtype", dtype_of(header.type)},
                                 {"skipped", header.skipped},      {"thumbnails", header.has_thumbnails}};
  json["model"] = nullptr;
  if (header.model) {
    json["model"] = {
        {"hash", header.model->hash}, {"name", header.model->name}, {"checkpoint", header.model->checkpoint}};
  }
  for (const auto& [side, shape] : header.sides)
    json["features"][std::string(enum_name(side))] = side_to_json(shape);
  json["sources"] = shortened(header.sources);
  json["removed"] = header.removed;
  json["verified"] = header.is_verified;
  if (header.check) json["check"] = check_to_json(*header.check);
  if (!header.deduplicated.empty()) json["deduplicated"] = deduplications_to_json(header.deduplicated);
  if (!header.build.empty()) json["build"] = header.build;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (const std::string name = entry.path().filename().string(); name != kIndexFile)
      json["files"][name] = entry.file_size(error);
  }
  if (error) throw_user_error("cannot list '{}': {}", folder.string(), error.message());
  const std::string text =
      json.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace);
  write_file_atomically(folder / kIndexFile, text + "\n");
}

IndexHeader read_index_header(const fs::path& folder) {
  const std::string name = (folder / kIndexFile).string();
  try {
    const Json json = parse_header(folder);
    if (text_in(json, "written_by") != kWrittenBy) throw JsonError("was not written by cloob index");
    const std::int64_t format =
        number_in(json, "format_version", 0, std::numeric_limits<std::int64_t>::max());
    if (format < 1 || format > kIndexFormat) {
      throw_user_error("'{}' has format version {}, this program reads versions 1 to {}: index again{}", name,
                       format, kIndexFormat, format > kIndexFormat ? ", or use a newer program" : "");
    }
    IndexHeader header = header_from_json(json);
    require_files(folder, json, header);
    return header;
  } catch (const JsonError& error) {
    throw_user_error("'{}' {}: it is not the header of an index, or damaged", name, error.what());
  }
}

bool is_index_folder(const fs::path& folder) {
  try {
    return text_in(parse_header(folder), "written_by") == kWrittenBy;
  } catch (const JsonError&) {
  } catch (const UserError&) {
  }
  return false;
}

bool is_memory_folder(const fs::path& folder) {
  if (!is_index_folder(folder)) return false;
  const Json json = parse_header(folder);
  return json.contains("build") || json.contains("deduplicated") || json.value("removed", Json(0)) != 0;
}

}  // namespace cloob

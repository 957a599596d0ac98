// cloob search

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/memory_effect.h"
#include "cli/model_arguments.h"
#include "cli/model_identity.h"
#include "cli/output_file.h"
#include "cli/search_gallery.h"
#include "cloob/base/error.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"
#include "cloob/data/image_files.h"
#include "cloob/search/search_index.h"
#include "cloob/search/thumbnail.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

struct SearchArguments {
  std::string index;
  std::string text;
  std::string image;
  std::string entry;
  std::optional<Side> side;
  std::int64_t k = 10;
  SearchOptions options;
  std::int64_t effort = kDefaultEffort;
  ModelArguments model;
  std::string json;
  std::string html;
};

struct Query {
  PaddedQueries features;
  std::optional<std::int64_t> entry;  // that it is
  ShownQuery shown;
  Json json;
  std::optional<RefinedQuery> refined = std::nullopt;
};

std::string entries(std::int64_t count) {
  return count == 1 ? "1 entry" : with_thousands(count) + " entries";
}

Side side_of(const SearchArguments& arguments, const SearchIndex& index) {
  if (!arguments.side) return index.has(Side::image) ? Side::image : Side::text;
  index.features(*arguments.side);  // throws if there are none
  return *arguments.side;
}

// Only the model that made the index can ask it something new.
OpenedModel open_model_of(const SearchIndex& index, const SearchArguments& arguments, Ranks& ranks) {
  const std::optional<IndexModel>& made_by = index.header().model;
  if (!made_by) {
    throw_user_error(
        "'{}' does not say which model its features are of, so texts and images cannot be compared with them: search "
        "by --entry, or index again with the checkpoint named",
        index.folder().string());
  }
  ModelArguments model = arguments.model;
  if (model.checkpoint.empty()) model.checkpoint = made_by->checkpoint;
  std::error_code ignored;
  if (arguments.model.checkpoint.empty() && !std::filesystem::exists(model.checkpoint, ignored)) {
    throw_user_error("'{}' was made with {}, which is not there any more: name it with --checkpoint",
                     index.folder().string(), describe(*made_by));
  }
  OpenedModel opened = open_model(model, "search", ranks.single("search"));
  if (const IndexModel asked = identity_of_towers(opened, model.checkpoint); asked.hash != made_by->hash) {
    throw_user_error(
        "'{}' was made with {}, but the query is of {}: features of different models cannot be compared; search "
        "with the model of the index, or index again",
        index.folder().string(), describe(*made_by), describe(asked));
  }
  return opened;
}

struct EncodedQuery {
  at::Tensor features_1D;
  std::optional<RefinedQuery> refined;
};

// `encode` encodes a text or an image with an encoder.
template <typename Encode>
EncodedQuery encode_query(const OpenedModel& opened, Modality modality, const Encode& encode) {
  FeatureModel& model = opened.encoder.model();
  const at::Tensor tower_1D = encode(opened.encoder.of_towers());
  std::optional<Refinement> refinement = model.refine(modality, tower_1D);
  EncodedQuery query{.features_1D = tower_1D, .refined = std::nullopt};
  if (refinement)
    query.features_1D = refinement->refined_1D.to(at::kCPU, at::kFloat);
  else if (&model.towers() != &model)  // changed without a memory, or not at all
    query.features_1D = encode(opened.encoder);
  if (!refinement && opened.loaded.memory) {
    log_warning("search", "reco.refine is {}, so that the memory does not change this query",
                enum_name(opened.loaded.config.reco.refine));
  }
  opened.display->finish();
  require_finite_features(query.features_1D, modality == Modality::text ? "text" : "image");
  if (refinement) query.refined = {tower_1D, *std::move(refinement), opened.loaded.memory};
  return query;
}

Query text_query(const SearchIndex& index, const SearchArguments& arguments, Ranks& ranks) {
  if (trim(arguments.text).empty()) throw_user_error("the text to search for is empty");
  if (!is_valid_utf8(arguments.text)) throw_user_error("the text to search for is not UTF-8");
  const OpenedModel opened = open_model_of(index, arguments, ranks);
  EncodedQuery query = encode_query(opened, Modality::text, [&](const FeatureEncoder& encoder) {
    return encoder.encode_texts(std::vector{arguments.text}, opened.options);
  });
  return {PaddedQueries(query.features_1D),
          std::nullopt,
          {.text = arguments.text},
          {{"text", arguments.text}},
          std::move(query.refined)};
}

Query image_query(const SearchIndex& index, const SearchArguments& arguments, Ranks& ranks) {
  std::string thumbnail;
  try {
    const auto bytes = read_image_file(arguments.image);
    checked_image_size(bytes, kMaxImagePixels);
    thumbnail = make_thumbnail(bytes);
  } catch (const BadSample& error) {
    throw_user_error("'{}' cannot be searched for: {}", arguments.image, error.what());
  } catch (const DecodeError& error) {
    throw_user_error("'{}' cannot be searched for: {}", arguments.image, error.what());
  }
  const OpenedModel opened = open_model_of(index, arguments, ranks);
  EncodedQuery query = encode_query(opened, Modality::image, [&](const FeatureEncoder& encoder) {
    return encoder.encode_images(make_image_file_source({arguments.image}), opened.options).features.unit_BD;
  });
  return {PaddedQueries(query.features_1D),
          std::nullopt,
          {arguments.image, thumbnail},
          {{"image", arguments.image}},
          std::move(query.refined)};
}

// A number, unless some key is like it.
std::int64_t find_entry(const SearchIndex& index, const std::string& entry) {
  const std::vector<std::int64_t> rows = index.find_key(entry);
  if (rows.size() == 1) return rows.front();
  if (rows.size() > 1) {
    constexpr std::size_t kShown = 10;
    std::vector<std::string> numbers;
    for (std::size_t i = 0; i < std::min(rows.size(), kShown); ++i)
      numbers.push_back(std::to_string(rows[i]));
    throw_user_error("'{}' is the key of {}: give the number of one instead: {}{}", entry,
                     entries(std::ssize(rows)), join(numbers, ", "), rows.size() > kShown ? ", ..." : "");
  }
  const auto number = parse_integer(entry);
  if (!number) throw_user_error("'{}' has no entry '{}'", index.folder().string(), entry);
  if (*number < 0 || *number >= index.size()) {
    throw_user_error("'{}' has no entry {}: its {} are numbered from 0 to {}", index.folder().string(),
                     *number, entries(index.size()), index.size() - 1);
  }
  if (index.is_removed(*number))
    throw_user_error("entry {} of '{}' was removed", *number, index.folder().string());
  return *number;
}

Query entry_query(const SearchIndex& index, const SearchArguments& arguments, Side side) {
  const std::int64_t row = find_entry(index, arguments.entry);
  // An image asks with its image also for texts; an index of texts has only those.
  const Side asks = index.has(Side::image) ? Side::image : side;
  const std::string key = index.entry(row).key;
  return {PaddedQueries(index.features(asks).part(row, 1)),
          row,
          {key, asks == Side::image ? thumbnail_of(index, row) : ""},
          {{"entry", row}, {"key", key}}};
}

Query make_query(const SearchIndex& index, const SearchArguments& arguments, Side side, Ranks& ranks) {
  if (!arguments.entry.empty()) {
    if (arguments.model.refinement.are_set())
      throw_user_error(
          "--entry searches with features as they are stored, which nothing refines: leave out --memory and the options that "
          "belong to it, or search for a text or --image");
    return entry_query(index, arguments, side);
  }
  return arguments.image.empty() ? text_query(index, arguments, ranks) : image_query(index, arguments, ranks);
}

Json result_to_json(const SearchIndex& index, const SearchResult& result, std::size_t rank) {
  constexpr std::size_t kMaxCopies = 100;
  const IndexEntry entry = index.entry(result.row);
  Json json = {{"rank", rank}, {"score", result.score}, {"entry", result.row}, {"key", entry.key}};
  if (!entry.path.empty()) json["path"] = entry.path;
  if (!entry.captions.empty()) {
    json["caption"] = entry.captions.front();
    json["captions"] = entry.captions;
  }
  if (!entry.metadata.empty()) json["metadata"] = parse_json<Json>(entry.metadata);
  json["num_copies"] = result.copies.size();
  json["copies"] = Json::array();
  for (std::size_t i = 0; i < std::min(result.copies.size(), kMaxCopies); ++i)
    json["copies"].push_back({{"entry", result.copies[i]}, {"key", index.entry(result.copies[i]).key}});
  return json;
}

// The pairs that refined the query, and what each changed.
Json effect_to_json(const SearchIndex& index, const SearchIndex& memory, const MemoryEffect& effect) {
  Json json = {{"folder", memory.folder().string()}, {"pairs", Json::array()}, {"without", Json::array()}};
  for (const RetrievedPair& pair : effect.pairs) {
    const IndexEntry entry = memory.entry(pair.row);
    Json shown = {{"entry", pair.row},
                  {"key", entry.key},
                  {"similarity", pair.similarity},
                  {"brought", pair.brought},
                  {"changed_order", pair.changed_order}};
    if (!entry.captions.empty()) shown["caption"] = entry.captions.front();
    json["pairs"].push_back(std::move(shown));
  }
  for (std::size_t i = 0; i < effect.without_memory.results.size(); ++i) {
    const SearchResult& result = effect.without_memory.results[i];
    json["without"].push_back({{"rank", i + 1},
                               {"score", result.score},
                               {"entry", result.row},
                               {"key", index.entry(result.row).key}});
  }
  return json;
}

Json to_json(const SearchIndex& index, const SearchArguments& arguments, Side side, const Query& query,
             const SearchAnswer& answer, const MemoryEffect* effect) {
  Json json = {{"query", query.json},
               {"index", index.folder().string()},
               {"kind", enum_name(index.header().kind)},
               {"in", enum_name(side)},
               {"k", arguments.k},
               {"num_entries", index.alive()},
               {"num_results", answer.results.size()},
               {"results", Json::array()}};
  for (std::size_t i = 0; i < answer.results.size(); ++i)
    json["results"].push_back(result_to_json(index, answer.results[i], i + 1));
  if (effect != nullptr) {
    for (Json& result : json["results"]) {
      const auto rank = rank_in(index, effect->without_memory, result["entry"].get<std::int64_t>());
      result["rank_without_memory"] = rank ? Json(*rank) : Json(nullptr);
    }
    json["memory"] = effect_to_json(index, query.refined->memory->index(), *effect);
  }
  return json;
}

// Key and first caption.
std::string line_of(const IndexEntry& entry) {
  std::string line = entry.key;
  if (!entry.captions.empty()) line += "  " + entry.captions.front();
  std::ranges::replace(line, '\n', ' ');
  return line;
}

// A column for the ranks without the memory, if there is one.
std::string rank_column(const MemoryEffect* effect, const std::string& text) {
  return effect == nullptr ? "" : fmt::format("{:>14}  ", text);
}

void print_results(const SearchIndex& index, const SearchAnswer& answer, const MemoryEffect* effect) {
  fmt::print("{:>4}  {}{:>7}  {:>7}  {}\n", "", rank_column(effect, "without memory"), "score", "entry",
             "key");
  for (std::size_t i = 0; i < answer.results.size(); ++i) {
    const SearchResult& result = answer.results[i];
    std::string line = line_of(index.entry(result.row));
    if (!result.copies.empty())
      line += fmt::format("  (and {} with the same content)",
                          result.copies.size() == 1 ? "another entry"
                                                    : with_thousands(std::ssize(result.copies)) + " others");
    std::string before;
    if (effect != nullptr) {
      const auto rank = rank_in(index, effect->without_memory, result.row);
      before = rank_column(effect, rank ? std::to_string(*rank) : "-");
    }
    fmt::print("{:>4}  {}{:>7.4f}  {:>7}  {}\n", i + 1, before, result.score, result.row,
               without_controls(line));
  }
}

void print_effect(const SearchIndex& index, const SearchIndex& memory, const MemoryEffect& effect) {
  fmt::print("\nRetrieved from '{}':\n{:>4}  {:>10}  {:>7}  {}\n", memory.folder().string(), "", "similarity",
             "entry", "key");
  for (std::size_t i = 0; i < effect.pairs.size(); ++i) {
    const RetrievedPair& pair = effect.pairs[i];
    fmt::print("{:>4}  {:>10.4f}  {:>7}  {}  ({})\n", i + 1, pair.similarity, pair.row,
               without_controls(line_of(memory.entry(pair.row))),
               without_controls(describe_effect(index, pair)));
  }
}

std::string summary_of(const SearchIndex& index, const SearchAnswer& answer, Side side) {
  const std::int64_t shown = std::ssize(answer.results);
  const std::string what = fmt::format("{} of {}, {} search among {}s", shown, entries(index.alive()),
                                       enum_name(index.header().kind), enum_name(side));
  return index.header().model ? fmt::format("{}. Model: {}.", what, describe(*index.header().model))
                              : what + ".";
}

void require_one_query(const SearchArguments& arguments) {
  const int given = (arguments.text.empty() ? 0 : 1) + (arguments.image.empty() ? 0 : 1) +
                    (arguments.entry.empty() ? 0 : 1);
  if (given == 1) return;
  throw_user_error("{}: give one of a text, --image FILE and --entry KEY|NUMBER",
                   given == 0 ? "what is to be searched for?" : "more than one thing is to be searched for");
}

int search(const SearchArguments& arguments, Ranks& ranks) {
  require_one_query(arguments);
  const std::vector<std::string> inputs = {arguments.image, arguments.index + "/*",
                                           arguments.model.checkpoint};
  require_output(arguments.json, OutputKind::json, inputs);
  require_output(arguments.html, OutputKind::html, inputs);
  if (!arguments.html.empty() && arguments.html == arguments.json)
    throw_user_error("--html and --json both name '{}': choose another file for one of them", arguments.html);
  const SearchIndex index(arguments.index, arguments.effort);
  const Side side = side_of(arguments, index);
  const Query query = make_query(index, arguments, side, ranks);
  if (query.features.dims() != index.header().dims)
    throw_user_error("the query has {} numbers, entries of the index {}", query.features.dims(),
                     index.header().dims);
  SearchOptions options = arguments.options;
  options.threads = arguments.model.threads;
  const SearchAnswer answer = search_distinct(index, query.features, side, arguments.k, query.entry, options);
  std::optional<MemoryEffect> effect;
  if (query.refined) effect = effect_of_memory(index, *query.refined, answer, side, arguments.k, options);
  if (answer.is_all) {
    log_info("search", "{} asked for, but the index has only {} different ones{}: these are all",
             with_thousands(arguments.k), with_thousands(std::ssize(answer.results)),
             query.entry ? " besides the one that is asked with" : "");
  }
  if (!arguments.html.empty()) {
    write_gallery(
        arguments.html, index, query.shown, answer, summary_of(index, answer, side),
        effect ? std::optional(ShownEffect{query.refined->memory->index(), *effect}) : std::nullopt);
    log_info("search", "{} written", arguments.html);
  }
  const MemoryEffect* const changes = effect ? &*effect : nullptr;
  if (!arguments.json.empty()) {
    write_json_line(arguments.json,
                    to_json(index, arguments, side, query, answer, changes)
                        .dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace));
    return 0;
  }
  print_results(index, answer, changes);
  if (effect) print_effect(index, query.refined->memory->index(), *effect);
  return 0;
}

void add_query_model_options(CLI::App& command, ModelArguments& model) {
  command.add_option(
      "--checkpoint,--model", model.checkpoint,
      "The model for the query, if it is not where it was: that of the index is the only one allowed");
  add_compute_options(command, model);
  add_refinement_options(command, model);
}

}  // namespace

void add_search_command(CLI::App& app, Action& action, Ranks& ranks) {
  CLI::App* const command =
      app.add_subcommand("search", "Search an index for a text, an image or one of its entries");
  const auto arguments = std::make_shared<SearchArguments>();
  command->add_option("index", arguments->index, "Folder that 'cloob index' made")->required();
  command->add_option("text", arguments->text, "What to search for, in words");
  command->add_option("--image", arguments->image, "An image file to search for");
  command->add_option("--entry", arguments->entry,
                      "An entry of the index to search for, by its key or its number");
  add_enum_option<Side>(
      *command, "--in", arguments->side,
      "Features to search: those of images or of captions; default: images, if the index has them");
  command
      ->add_option("-k,--results,--top", arguments->k, "Results; entries with the same content count as one")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command
      ->add_option("--probes", arguments->options.probes,
                   "Lists of an ivf or ivfpq index to look into; default: as said in the index")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20));
  command
      ->add_option(
          "--rerank", arguments->options.rerank,
          "Entries of an ivfpq index whose features are compared after their codes; default: four for each result, at "
          "least 200")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 36));
  command->add_option("--effort", arguments->effort, "Candidates that are kept in a search of an hnsw index")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  add_query_model_options(*command, arguments->model);
  add_json_option(*command, arguments->json);
  command->add_option("--html", arguments->html, "Write a gallery to this HTML file");
  command->callback(
      [arguments, &action, &ranks] { action = [arguments, &ranks] { return search(*arguments, ranks); }; });
}

}  // namespace cloob

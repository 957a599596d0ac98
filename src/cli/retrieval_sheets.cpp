// Shapes: Q queries, N images, K of them, D features.
#include "cli/retrieval_sheets.h"

#include <ATen/TensorOperators.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <system_error>

#include "cli/model_arguments.h"
#include "cloob/base/collectives.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/source.h"
#include "cloob/eval/nearest_images.h"
#include "cloob/prepare/inspect.h"
#include "cloob/retrieval/nearest_stored.h"

namespace cloob {
namespace {

constexpr std::int64_t kPicturesOfRow = 5;

// The validation pairs of the systems of one sheet, and the queries among them.
struct SheetData {
  std::vector<std::string> names;  // data.val
  std::shared_ptr<const Source> source;
  std::vector<std::int64_t> queries;  // indices in the source
  std::vector<std::string> captions;
  std::map<std::int64_t, std::string> thumbnails;
};

// What one system has encoded.
struct SheetFeatures {
  at::Tensor image_ND, query_QD;
  std::vector<std::int64_t> indices;                   // of the images in the source
  std::vector<std::optional<std::int64_t>> true_rows;  // of the queries among the images
  bool has_hopfield = false;
  double beta = 0;
  std::int64_t update_steps = 1;
};

const std::string& thumbnail_of(SheetData& data, std::int64_t index) {
  constexpr int kSide = 128;
  const auto [found, is_new] = data.thumbnails.try_emplace(index);
  if (is_new) {
    std::vector<SampleView> views = view_samples(*data.source, std::array{index}, kSide);
    if (!views.empty()) found->second = std::move(views.front().jpeg);
  }
  return found->second;
}

ReportSheet::Picture sheet_picture_of(SheetData& data, std::int64_t index, std::string caption,
                                      bool is_marked) {
  std::string place;
  try {
    place = data.source->key(index);
  } catch (const BadSample& error) {
    place = error.what();
  }
  return {.jpeg = thumbnail_of(data, index),
          .caption = std::move(caption),
          .is_marked = is_marked,
          .place = place};
}

std::string checkpoint_to_show(const SheetSystem& system) {
  const std::filesystem::path best = system.run / "checkpoints" / "best";
  std::error_code ignored;
  return std::filesystem::exists(best, ignored) ? best.string() : system.run.string();
}

// Chosen among the images that the first system could encode.
void choose_queries(SheetData& data, const std::vector<std::int64_t>& indices, std::int64_t count) {
  const auto size = std::ssize(indices);
  count = std::min(count, size);
  for (std::int64_t query = 0; query < count; ++query) {
    const std::int64_t index = indices[static_cast<std::size_t>((2 * query + 1) * size / (2 * count))];
    const std::vector<std::string> captions = data.source->read_captions(index);
    if (captions.empty()) continue;
    data.queries.push_back(index);
    data.captions.push_back(captions.front());
  }
}

double retrieval_beta(const OpenedModel& opened) {
  for (const auto& [name, value] : opened.loaded.task->scalars()) {
    if (name == "beta") return value.item<double>();
  }
  return opened.loaded.config.retrieval.beta;
}

SheetFeatures encode_for_sheet(const SheetSystem& system, SheetData& data, const SheetOptions& options) {
  const SingleProcess collectives;
  ModelArguments arguments;
  arguments.checkpoint = checkpoint_to_show(system);
  arguments.device = options.device;
  arguments.threads = options.threads;
  OpenedModel opened = open_model(arguments, "encoding for " + system.name, collectives);
  const RunConfig& config = opened.loaded.config;
  if (config.data.val.empty()) throw_user_error("the run has no data.val");
  opened.options.data = config.data;
  opened.options.data.threads = options.threads;
  opened.options.data.max_bad_share = 1;
  opened.options.max_samples = schedule_of(config.eval, kPairEvaluation).max_samples;
  if (!data.source) {
    data.source = make_source(config.data, config.data.val, Purpose::evaluation);
    data.names = config.data.val;
  } else if (data.names != config.data.val) {
    throw_user_error("its data.val ({}) is not that of the systems before it", join(config.data.val, " "));
  }
  ImageFeatures images = opened.encoder.encode_images(data.source, opened.options);
  if (data.queries.empty()) choose_queries(data, images.indices, options.num_queries);
  if (data.queries.empty()) throw_user_error("no image of data.val has a caption");
  SheetFeatures features{.image_ND = images.features.unit_BD,
                         .query_QD = opened.encoder.encode_texts(data.captions, opened.options),
                         .indices = std::move(images.indices),
                         .true_rows = {},
                         .has_hopfield = config.retrieval.kind == RetrievalKind::hopfield,
                         .beta = retrieval_beta(opened),
                         .update_steps = config.retrieval.update_steps};
  opened.display->finish();
  require_finite_features(features.image_ND, "image");
  require_finite_features(features.query_QD, "caption");
  for (const std::int64_t query : data.queries) {
    const auto found = std::ranges::find(features.indices, query);
    features.true_rows.push_back(
        found == features.indices.end() ? std::nullopt : std::optional(found - features.indices.begin()));
  }
  return features;
}

ReportSheet::Row ranking_row(const std::string& name, const SheetFeatures& features,
                             const NearestImages& nearest, std::size_t query, SheetData& data) {
  const auto images = static_cast<std::int64_t>(features.indices.size());
  const auto rank = nearest.rank_of_true[query];
  ReportSheet::Row row{
      .name = name,
      .note = rank ? fmt::format("finds it in place {} of {}", with_thousands(*rank), with_thousands(images))
                   : "its image is not among those that this system could read",
      .pictures = {}};
  const at::Tensor rows_K = nearest.rows_QK[static_cast<std::int64_t>(query)];
  for (std::int64_t place = 0; place < rows_K.size(0); ++place) {
    const std::int64_t image = rows_K[place].item<std::int64_t>();
    const bool is_true = features.true_rows[query] == image;
    row.pictures.push_back(sheet_picture_of(
        data, features.indices[static_cast<std::size_t>(image)],
        is_true ? fmt::format("{}: the true one", place + 1) : fmt::format("{}", place + 1), is_true));
  }
  return row;
}

ReportSheet::Row stored_row(const std::string& name, const SheetFeatures& features,
                            const NearestStored& nearest, std::int64_t state,
                            std::optional<std::int64_t> true_row, SheetData& data) {
  const double entropy = nearest.entropy_B[state].item<double>();
  ReportSheet::Row row{
      .name = name,
      .note = fmt::format("beta {:.4g}, as if {:.4g} of {} patterns were averaged", features.beta,
                          std::exp(entropy), with_thousands(std::ssize(features.indices))),
      .pictures = {}};
  for (std::int64_t place = 0; place < nearest.rows_BK.size(1); ++place) {
    const std::int64_t image = nearest.rows_BK[state][place].item<std::int64_t>();
    const double weight = nearest.weights_BK[state][place].item<double>();
    row.pictures.push_back(sheet_picture_of(data, features.indices[static_cast<std::size_t>(image)],
                                            fmt::format("{:.{}f} %", 100 * weight, weight < 0.1 ? 2 : 1),
                                            true_row == image));
  }
  return row;
}

void add_rankings(ReportSheet& sheet, const std::string& name, const SheetFeatures& features,
                  SheetData& data) {
  const NearestImages nearest =
      nearest_images(features.query_QD, features.image_ND, features.true_rows, kPicturesOfRow);
  for (std::size_t query = 0; query < sheet.queries.size(); ++query)
    sheet.queries[query].rows.push_back(ranking_row(name, features, nearest, query, data));
}

// Of the images of the data: those that texts retrieve (u_y) and those that images retrieve (u_x), themselves among them.
void add_stored(ReportSheet& sheet, const std::string& name, const SheetFeatures& features, SheetData& data) {
  const auto nearest_of = [&](const at::Tensor& state_QD) {
    return nearest_stored(state_QD, features.image_ND, features.beta, features.update_steps, kPicturesOfRow);
  };
  const NearestStored of_captions = nearest_of(features.query_QD);
  for (std::size_t query = 0; query < sheet.queries.size(); ++query) {
    auto& rows = sheet.queries[query].rows;
    const auto true_row = features.true_rows[query];
    rows.push_back(stored_row(name + ", by the caption", features, of_captions,
                              static_cast<std::int64_t>(query), true_row, data));
    if (!true_row) continue;
    const NearestStored of_image = nearest_of(features.image_ND.narrow(0, *true_row, 1));
    rows.push_back(stored_row(name + ", by the image", features, of_image, 0, true_row, data));
  }
}

std::vector<ReportSheet::Query> queries_of_sheet(SheetData& data) {
  std::vector<ReportSheet::Query> queries;
  for (std::size_t query = 0; query < data.queries.size(); ++query)
    queries.push_back(
        {data.captions[query], sheet_picture_of(data, data.queries[query], "the true one", true), {}});
  return queries;
}

// Images of the data that the systems could not read. With eval.max_samples only some are encoded, and none is known missing.
void name_unreadable(const SheetData& data, const SheetFeatures& features,
                     std::vector<std::string>& problems) {
  constexpr std::size_t kMaxNames = 5;
  std::vector<std::string> names;
  std::size_t next = 0, missing = 0;
  std::vector<std::int64_t> sorted = features.indices;
  std::ranges::sort(sorted);
  for (std::int64_t index = 0; index < data.source->size(); ++index) {
    if (next < sorted.size() && sorted[next] == index) {
      ++next;
      continue;
    }
    if (++missing <= kMaxNames) names.push_back(data.source->describe(index));
  }
  if (missing == 0) return;
  problems.push_back(fmt::format("{} of {} could not be read and cannot be found: {}{}.",
                                 counted(static_cast<std::int64_t>(missing), "image"), join(data.names, " "),
                                 join(names, ", "), missing > kMaxNames ? ", ..." : ""));
}

}  // namespace

RetrievalSheets make_retrieval_sheets(const std::string& title, const std::vector<SheetSystem>& systems,
                                      const SheetOptions& options) {
  RetrievalSheets result;
  SheetData data;
  ReportSheet rankings{
      .title = title + ": what captions find",
      .note =
          "Captions of the validation data, and the five images that come first for each system, from its best "
          "checkpoint (or else its newest) of the first seed. The true image has a frame.",
      .queries = {}};
  ReportSheet stored{
      .title = title + ": nearest stored patterns",
      .note =
          "What a Hopfield retrieval averages when it stores all images of the validation data (in training it "
          "stores those of a batch): the patterns with the largest softmax weights at the model's beta.",
      .queries = {}};
  bool is_counted = false;
  for (const SheetSystem& system : systems) {
    try {
      const SheetFeatures features = encode_for_sheet(system, data, options);
      if (rankings.queries.empty()) rankings.queries = queries_of_sheet(data);
      add_rankings(rankings, system.name, features, data);
      if (features.has_hopfield) {
        if (stored.queries.empty()) stored.queries = queries_of_sheet(data);
        add_stored(stored, system.name, features, data);
      }
      if (!is_counted) name_unreadable(data, features, result.problems);
      is_counted = true;
    } catch (const UserError& error) {
      result.problems.push_back(
          fmt::format("The retrievals of {} are not shown: {}.", system.name, error.what()));
      log_warning("report", "{}", result.problems.back());
    }
  }
  for (ReportSheet* sheet : {&rankings, &stored}) {
    if (!sheet->queries.empty()) result.sheets.push_back(std::move(*sheet));
  }
  return result;
}

}  // namespace cloob

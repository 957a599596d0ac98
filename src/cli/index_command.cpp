// cloob index

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/data_settings.h"
#include "cli/enum_option.h"
#include "cli/index_options.h"
#include "cli/model_arguments.h"
#include "cli/model_identity.h"
#include "cli/usage.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/source_names.h"
#include "cloob/search/embeddings.h"
#include "cloob/search/index_images.h"
#include "cloob/search/index_writer.h"
#include "cloob/train/stop_signal.h"

namespace cloob {
namespace {

struct IndexArguments {
  ModelArguments model;
  std::vector<std::string> images;
  std::string image_root;
  std::string embeddings;
  std::string out;
  bool texts = false, thumbnails = false;
  FeatureType type = FeatureType::fp16;
  IndexLayout layout;
  std::vector<std::string> settings;  // --data.section.key VALUE ...
};

void report(const IndexArguments& arguments, const IndexHeader& header) {
  const std::string skipped =
      header.skipped == 0 ? "" : fmt::format(", {} skipped", counted(header.skipped, "unusable image"));
  log_info("search", "{}: {} ({} numbers each, {}){}", arguments.out, counted_entries(header.count),
           header.dims, enum_name(header.kind), skipped);
}

IndexHeader index_images_of(const IndexArguments& arguments, Ranks& ranks) {
  if (arguments.model.checkpoint.empty())
    throw_user_error(
        "which model encodes the images? Give its checkpoint: cloob index CHECKPOINT --images ...");
  OpenedModel opened = open_model(arguments.model, "index", ranks.single("index"));
  opened.options.data = read_data_settings(
      {arguments.images, arguments.image_root, arguments.model.threads, arguments.settings});
  opened.options.stop_requested = indexing_stop_requested;
  const auto source = open_index_source(opened.options.data, arguments.images);
  const IndexHeader header{.model = identity_of(opened, arguments.model.checkpoint),
                           .sources = arguments.images};
  const IndexHeader written =
      index_images(opened.encoder, opened.options, source, arguments.out, header,
                   {.with_texts = arguments.texts,
                    .with_thumbnails = arguments.thumbnails,
                    .type = arguments.type,
                    .image_roots = image_roots(arguments.images, arguments.image_root),
                    .layout = arguments.layout,
                    .stop_requested = indexing_stop_requested});
  opened.display->finish();
  return written;
}

// The model that the embeddings are said to be of: by the command line or by cloob.json, which have to agree.
std::optional<IndexModel> model_of_embeddings(const IndexArguments& arguments, const EmbeddingsFolder& folder,
                                              Ranks& ranks) {
  if (arguments.model.checkpoint.empty()) return folder.model;
  const OpenedModel opened = open_model(arguments.model, "index", ranks.single("index"));
  const IndexModel model = identity_of(opened, arguments.model.checkpoint);
  require_embeddings_of(folder, arguments.embeddings, model, opened.loaded.config.model.embed_dim);
  return model;
}

IndexHeader index_embeddings_of(const IndexArguments& arguments, Ranks& ranks) {
  if (arguments.texts || arguments.thumbnails || !arguments.image_root.empty() ||
      !arguments.settings.empty()) {
    throw_user_error(
        "--embeddings indexes what is there: --texts, --thumbnails, --image-root and --data.* are for "
        "--images");
  }
  const EmbeddingsFolder folder = open_embeddings(arguments.embeddings);
  const auto model = model_of_embeddings(arguments, folder, ranks);
  if (!model) {
    log_warning(
        "search",
        "'{}' does not say which model its embeddings are of: the index can be searched by --entry only, unless "
        "the checkpoint is named before --embeddings",
        arguments.embeddings);
  }
  IndexWriter writer(arguments.out, folder.dims, /*has_thumbnails=*/false, arguments.type);
  add_embeddings(folder, writer);
  // What another program wrote, someone says is of this model.
  const bool is_verified = !model || folder.model.has_value();
  return writer.finish({.model = model, .sources = {arguments.embeddings}, .is_verified = is_verified},
                       arguments.layout, indexing_stop_requested);
}

// What was built, changed and deduplicated as a memory is not made again by this command.
void require_no_memory(const std::string& out) {
  if (!is_memory_folder(out)) return;
  throw_user_error(
      "'{}' is a memory ('cloob memory'), which is not replaced: choose another folder, or remove it first",
      out);
}

int index(const IndexArguments& arguments, Ranks& ranks) {
  if (arguments.images.empty() == arguments.embeddings.empty())
    throw_user_error("what is to be indexed? Give either --images or --embeddings");
  require_index_output(arguments.out);
  require_no_memory(arguments.out);
  const StopSignal stop_signal;
  try {
    report(arguments, arguments.embeddings.empty() ? index_images_of(arguments, ranks)
                                                   : index_embeddings_of(arguments, ranks));
    return 0;
  } catch (const EvaluationStopped&) {
  } catch (const IndexingStopped&) {
  }
  log_info("search", "stopped; nothing was written, and an older index is as it was");
  return 128 + StopSignal::received();
}

}  // namespace

void require_embeddings_of(const EmbeddingsFolder& embeddings, const std::string& name,
                           const IndexModel& model, std::int64_t embed_dim) {
  if (embeddings.model && embeddings.model->hash != model.hash) {
    throw_user_error("the embeddings in '{}' are of {}, not of {}", name, describe(*embeddings.model),
                     describe(model));
  }
  if (embed_dim != embeddings.dims) {
    throw_user_error("the embeddings in '{}' have {} numbers each, features of {} have {}", name,
                     embeddings.dims, describe(model), embed_dim);
  }
}

void add_embeddings(const EmbeddingsFolder& embeddings, IndexWriter& writer) {
  ProgressDisplay display(ProgressStyle::auto_);
  const auto progress = display.counter("index", "row");
  const std::int64_t before = writer.count();
  const std::int64_t rescaled = index_embeddings(embeddings, writer, [&](std::int64_t rows) {
    if (indexing_stop_requested()) throw IndexingStopped();
    progress(rows - before, embeddings.rows);
  });
  display.finish();
  if (rescaled == 0) return;
  log_warning("search", "{} of {} did not have length 1 and were normalized", with_thousands(rescaled),
              counted(embeddings.rows * std::ssize(embeddings.sides), "row"));
}

std::string counted_entries(std::int64_t count) {
  return count == 1 ? "1 entry" : with_thousands(count) + " entries";
}

bool indexing_stop_requested() { return StopSignal::received() != 0; }

std::vector<std::filesystem::path> image_roots(const std::vector<std::string>& sources,
                                               const std::string& image_root) {
  if (!image_root.empty()) return {image_root};
  std::vector<std::filesystem::path> roots;
  for (const std::string& name : split_sources(sources)) {
    if (format_by_name(name) == DataFormat::csv) roots.push_back(std::filesystem::path(name).parent_path());
  }
  return roots;
}

void add_type_option(CLI::App& command, FeatureType& type) {
  add_enum_option<FeatureType>(
      command, "--dtype", type,
      "How features are stored: in fp16, which changes a cosine by less than 0.0005, or in fp32");
}

void add_layout_options(CLI::App& command, IndexLayout& layout) {
  add_enum_option<IndexKind>(
      command, "--kind", layout.kind,
      "How the index is searched: exact, in lists (ivf), in lists of codes (ivfpq) or by a graph (hnsw); default: exact for few entries "
      "(--exact-below), otherwise ivf");
  command.add_option("--exact-below", layout.exact_below, "Entries from which on the default is ivf")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 36));
  command
      .add_option("--lists", layout.lists,
                  "Lists of an ivf or ivfpq index; default: 4 times the root of the number of entries")
      ->check(CLI::Range(1, 1 << 20));
  command
      .add_option(
          "--code-bytes", layout.code_bytes,
          "Bytes of the code of an entry in an ivfpq index; default: an eighth of the numbers of its features")
      ->check(CLI::Range(1, 1 << 16));
  command
      .add_option("--links", layout.links,
                  fmt::format("Links of each entry of an hnsw index; default: {}", kDefaultLinks))
      ->check(CLI::Range(2, 512));
  command.add_option("--effort", layout.construction_effort, "Candidates for the links of an hnsw index")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
}

void add_index_command(CLI::App& app, Action& action, Ranks& ranks) {
  CLI::App* const command =
      app.add_subcommand("index", "Encode images into an index that 'cloob search' searches");
  const auto arguments = std::make_shared<IndexArguments>();
  add_model_arguments(*command, arguments->model);
  command->get_option("checkpoint")->required(false);
  command->add_option("--images", arguments->images, "Folders of images, tables (.csv, .tsv) or tar shards");
  command->add_option("--image-root", arguments->image_root, "Folder that image paths of a table start from");
  command->add_option(
      "--embeddings", arguments->embeddings,
      "Folder of embeddings in clip-retrieval's layout (img_emb, text_emb, metadata) instead of images");
  command
      ->add_option("--out", arguments->out,
                   "Folder of the index; an older index there is replaced when the new one is complete")
      ->required();
  command->add_flag("--texts", arguments->texts, "Encode the first caption of each image, too");
  command->add_flag("--thumbnails", arguments->thumbnails,
                    "Keep small images in the index, for galleries where the images are not at hand");
  add_type_option(*command, arguments->type);
  add_layout_options(*command, arguments->layout);
  add_data_settings(*command, arguments->settings);
  command->callback([arguments, command, &action, &ranks] {
    take_unknown_settings(*command, arguments->settings);
    arguments->layout.threads = arguments->model.threads;
    action = [arguments, command, &ranks] {
      reject_misspelled_options(*command);
      return index(*arguments, ranks);
    };
  });
}

}  // namespace cloob

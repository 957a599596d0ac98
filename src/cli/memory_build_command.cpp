// cloob memory build|add

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/connect_ranks.h"
#include "cli/data_settings.h"
#include "cli/enum_option.h"
#include "cli/index_options.h"
#include "cli/model_arguments.h"
#include "cli/model_identity.h"
#include "cli/usage.h"
#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "cloob/memory/build_memory.h"
#include "cloob/memory/check_features.h"
#include "cloob/memory/rewrite_memory.h"
#include "cloob/search/embeddings.h"
#include "cloob/search/removed_rows.h"
#include "cloob/train/stop_signal.h"

namespace cloob {

/// Which captions of an image have an entry in a memory.
enum class MemoryCaptions { first, all };
template <>
struct EnumNames<MemoryCaptions> {
  static constexpr std::array<std::pair<std::string_view, MemoryCaptions>, 2> names = {
      {{"first", MemoryCaptions::first}, {"all", MemoryCaptions::all}}};
};

namespace {

struct MemoryBuildArguments {
  ModelArguments model;
  std::vector<std::string> data;
  std::string image_root;
  std::string embeddings;
  std::string memory;  // that is built, or added to
  bool adds = false;
  MemoryCaptions captions = MemoryCaptions::first;
  bool thumbnails = false;
  FeatureType type = FeatureType::fp16;
  IndexLayout layout;
  std::int64_t part_samples = BuildOptions{}.part_samples;
  std::vector<std::string> settings;  // --data.section.key VALUE ...
  std::string agreement;              // of the ranks
};

// The model that encodes what is added: that of the memory.
IndexModel model_of_memory(const IndexHeader& header, const std::string& memory) {
  if (!header.model)
    throw_user_error("'{}' does not say which model its features are of: nothing can be added", memory);
  return *header.model;
}

void require_same_model(const IndexHeader& header, const IndexModel& model, const std::string& memory) {
  const IndexModel of_memory = model_of_memory(header, memory);
  if (of_memory.hash == model.hash) return;
  throw_user_error("'{}' is of {}, not of {}: features of different models cannot be compared", memory,
                   describe(of_memory), describe(model));
}

BuildOptions build_options(const MemoryBuildArguments& arguments) {
  return {.entries = {.with_texts = true,
                      .every_caption = arguments.captions == MemoryCaptions::all,
                      .with_thumbnails = arguments.thumbnails,
                      .type = arguments.type,
                      .image_roots = image_roots(arguments.data, arguments.image_root),
                      .layout = arguments.layout,
                      .stop_requested = indexing_stop_requested},
          .part_samples = arguments.part_samples};
}

// The memory that is added to, which no other command may change meanwhile; nothing if one is built.
struct AddedTo {
  std::optional<IndexLock> lock = std::nullopt;  // on rank 0
  std::optional<IndexHeader> header = std::nullopt;
};

void lock_memory(const MemoryBuildArguments& arguments, const Collectives& collectives, AddedTo& memory) {
  if (!arguments.adds) return;
  do_on_first_rank(collectives, [&] {
    memory.lock.emplace(arguments.memory);
    require_index_output(arguments.memory);
  });
  memory.header = read_index_header(arguments.memory);
  const auto& sides = memory.header->sides;
  if (!sides.contains(Side::image) || !sides.contains(Side::text)) {
    throw_user_error("'{}' has features of {}s only: pairs cannot be added", arguments.memory,
                     enum_name(sides.begin()->first));
  }
}

struct MemoryModel {
  OpenedModel opened;
  IndexModel identity;
};

MemoryModel open_memory_model(const MemoryBuildArguments& arguments, const AddedTo& memory,
                              const Collectives& collectives) {
  ModelArguments model = arguments.model;
  if (memory.header && model.checkpoint.empty())
    model.checkpoint = model_of_memory(*memory.header, arguments.memory).checkpoint;
  OpenedModel opened = open_model(model, "memory", collectives);
  opened.options.stop_requested = indexing_stop_requested;
  opened.options.data =
      read_data_settings({arguments.data, arguments.image_root, arguments.model.threads, arguments.settings});
  IndexModel identity = identity_of(opened, model.checkpoint);
  if (memory.header) require_same_model(*memory.header, identity, arguments.memory);
  return {std::move(opened), std::move(identity)};
}

// Of some rows: other embeddings differ in one of them, most likely.
std::string id_of(const IndexRows& rows, std::int64_t count) {
  std::uint64_t hash = mix_bits({static_cast<std::uint64_t>(count)});
  for (const auto& [side, features_ND] : rows.features_ND) {
    const at::Tensor numbers = features_ND.to(at::kFloat).contiguous();
    hash = hash_text({static_cast<const char*>(numbers.const_data_ptr()), numbers.nbytes()}, hash);
  }
  for (const IndexEntry& entry : rows.entries) hash = hash_text(as_stored(entry.key), hash);
  return fmt::format("{:016x}", hash);
}

// Whether most of a sample could be compared, images as well as captions.
bool is_verified(const std::optional<FeatureCheck>& check, std::int64_t sampled) {
  return check && 2 * check->images >= sampled && 2 * check->captions >= sampled;
}

// What tells how far the features are those of the model.
void warn_of_unverified(const std::optional<FeatureCheck>& check, std::int64_t sampled,
                        const std::string& embeddings) {
  if (!check) {
    log_warning(
        "memory",
        "no image or caption of '{}' can be read (name their data with --data), so that nothing tells whether "
        "it is of this model: the memory is unverified",
        embeddings);
  } else {
    log_warning(
        "memory",
        "{} and {} of {} of '{}' could be read and compared, which tells too little of the others (name their data with "
        "--data): the memory is unverified",
        counted(check->images, "image"), counted(check->captions, "caption"), counted_entries(sampled),
        embeddings);
  }
}

IndexHeader build_of_embeddings(const MemoryBuildArguments& arguments, const Collectives& collectives) {
  const EmbeddingsFolder folder = open_embeddings(arguments.embeddings);
  if (folder.sides.size() < EnumNames<Side>::names.size()) {
    throw_user_error("'{}' has embeddings of {}s only: a memory needs img_emb and text_emb",
                     arguments.embeddings, enum_name(folder.sides.begin()->first));
  }
  AddedTo memory;
  lock_memory(arguments, collectives, memory);
  if (memory.header && memory.header->has_thumbnails) {
    throw_user_error("'{}' has thumbnails, which embeddings do not have: they cannot be added",
                     arguments.memory);
  }
  if (!memory.header) require_new_memory(arguments.memory);
  const MemoryModel model = open_memory_model(arguments, memory, collectives);
  const OpenedModel& opened = model.opened;
  require_embeddings_of(folder, arguments.embeddings, model.identity, opened.loaded.config.model.embed_dim);
  const auto source =
      arguments.data.empty() ? nullptr : open_index_source(opened.options.data, arguments.data);
  IndexHeader header{.model = model.identity, .sources = {arguments.embeddings}};
  const IndexRows sample = sample_of(folder, kCheckedEntries);
  header.build = id_of(sample, folder.rows);
  if (memory.header && holds_build(*memory.header, header.build)) {
    log_info("memory",
             "'{}' holds these pairs already, but for what was removed since: nothing is to be done",
             arguments.memory);
    return *memory.header;
  }
  header.check = check_features(sample, opened.encoder, opened.options, source, arguments.embeddings);
  opened.display->finish();
  const std::int64_t sampled = std::ssize(sample.entries);
  header.is_verified = is_verified(header.check, sampled);
  if (!header.is_verified) warn_of_unverified(header.check, sampled, arguments.embeddings);
  const RewriteOptions rewrite{.threads = arguments.model.threads, .stop_requested = indexing_stop_requested};
  if (memory.header) {
    return extend_memory(*memory.lock, header, rewrite, [&](IndexWriter& writer, IndexHeader& joined) {
      add_embeddings(folder, writer);
      add_build(joined, header.build);
    });
  }
  IndexWriter writer(arguments.memory, folder.dims, /*has_thumbnails=*/false, arguments.type);
  add_embeddings(folder, writer);
  return writer.finish(header, arguments.layout, indexing_stop_requested);
}

IndexHeader build_of_data(const MemoryBuildArguments& arguments, const Collectives& collectives) {
  BuildOptions what = build_options(arguments);
  AddedTo memory;
  lock_memory(arguments, collectives, memory);
  if (memory.header) {
    what.entries.with_thumbnails = memory.header->has_thumbnails;
    what.entries.type = memory.header->type;
  }
  const MemoryModel model = open_memory_model(arguments, memory, collectives);
  const OpenedModel& opened = model.opened;
  const auto source = open_index_source(opened.options.data, arguments.data);
  if (const std::int64_t captions = unused_captions(opened.options.data, *source); captions > 0)
    log_warning("memory", "{}", advice_on_unused(captions));
  const IndexHeader header{.model = model.identity, .sources = arguments.data};
  const IndexHeader written =
      arguments.adds
          ? add_to_memory(opened.encoder, opened.options, source, arguments.memory, header, what,
                          memory.lock ? &*memory.lock : nullptr, collectives)
          : build_memory(opened.encoder, opened.options, source, arguments.memory, header, what, collectives);
  opened.display->finish();
  return written;
}

void require_one_origin(const MemoryBuildArguments& arguments) {
  if (arguments.data.empty() && arguments.embeddings.empty())
    throw_user_error("which pairs? Give --data or --embeddings");
  if (!arguments.embeddings.empty() && (arguments.captions == MemoryCaptions::all || arguments.thumbnails)) {
    throw_user_error(
        "--embeddings takes over the rows that are there: --captions and --thumbnails are for pairs that are encoded");
  }
}

int memory_build(const MemoryBuildArguments& arguments, Ranks& ranks) {
  require_one_origin(arguments);
  const bool encodes = arguments.embeddings.empty();
  const Collectives& collectives =
      encodes ? connect_ranks(ranks, select_device(arguments.model.device), RankTimeouts(),
                              arguments.agreement, arguments.model.threads)
              : ranks.single("memory --embeddings");
  collectives.announce(RankActivity::evaluation);
  const StopSignal stop_signal;
  try {
    const IndexHeader header =
        encodes ? build_of_data(arguments, collectives) : build_of_embeddings(arguments, collectives);
    if (collectives.rank() > 0) return 0;
    log_info(
        "memory", "{}: {} ({} numbers each, {}){}", arguments.memory,
        counted_entries(header.count - header.removed), header.dims, enum_name(header.kind),
        header.skipped == 0 ? "" : fmt::format(", {} skipped", counted(header.skipped, "unusable image")));
    return 0;
  } catch (const EvaluationStopped&) {
  } catch (const IndexingStopped&) {
  }
  if (encodes) {
    log_info(
        "memory",
        "stopped; the parts that are complete are kept in '{}.parts': the same command goes on with them",
        arguments.memory);
  } else {
    log_info("memory", "stopped; nothing was changed");
  }
  return 128 + StopSignal::received();
}

void add_encoding_options(CLI::App& command, MemoryBuildArguments& arguments) {
  command.add_option("--data", arguments.data, "Tables (.csv, .tsv) or tar shards of images with captions");
  command.add_option(
      "--embeddings", arguments.embeddings,
      "Folder of embeddings in clip-retrieval's layout (img_emb, text_emb, metadata) that are taken over; --data then "
      "says where their images are, by key, to compare some");
  command.add_option("--image-root", arguments.image_root, "Folder that image paths of a table start from");
  add_enum_option<MemoryCaptions>(command, "--captions", arguments.captions,
                                  "An entry for the first caption of each image, or for all of them");
  command
      .add_option("--part-samples", arguments.part_samples,
                  "Images of a part, which is what an interruption costs; a multiple of --batch-size is best")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  add_data_settings(command, arguments.settings);
}

void set_action(CLI::App& command, const std::shared_ptr<MemoryBuildArguments>& arguments, Action& action,
                Ranks& ranks) {
  command.callback([arguments, &command, &action, &ranks] {
    arguments->agreement = agreement_of(command);
    take_unknown_settings(command, arguments->settings);
    arguments->layout.threads = arguments->model.threads;
    action = [arguments, &command, &ranks] {
      reject_misspelled_options(command);
      return memory_build(*arguments, ranks);
    };
  });
}

}  // namespace

void add_memory_build(CLI::App& group, Action& action, Ranks& ranks) {
  CLI::App* const build = group.add_subcommand(
      "build", "Encode pairs into a memory; if it is stopped, the same command goes on where it was");
  const auto built = std::make_shared<MemoryBuildArguments>();
  add_model_arguments(*build, built->model);
  build->add_option("--out", built->memory, "New folder of the memory")->required();
  add_encoding_options(*build, *built);
  build->add_flag("--thumbnails", built->thumbnails,
                  "Keep small images in the memory, for galleries where the images are not at hand");
  add_type_option(*build, built->type);
  add_layout_options(*build, built->layout);
  set_action(*build, built, action, ranks);

  CLI::App* const add = group.add_subcommand(
      "add", "Encode pairs and add them to a memory, which is written anew, without removed entries");
  const auto added = std::make_shared<MemoryBuildArguments>();
  added->adds = true;
  add->add_option("memory", added->memory, "Folder of the memory")->required();
  add->add_option("--checkpoint", added->model.checkpoint,
                  "The model of the memory, if it is not where it was; no other one is allowed");
  add_model_options(*add, added->model);
  add_encoding_options(*add, *added);
  set_action(*add, added, action, ranks);
}

}  // namespace cloob

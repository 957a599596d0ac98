// cloob memory dedup

#include <ATen/ops/cat.h>
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/data_settings.h"
#include "cli/index_options.h"
#include "cli/model_arguments.h"
#include "cli/model_identity.h"
#include "cli/usage.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"
#include "cloob/data/image_suffixes.h"
#include "cloob/data/labeled_source.h"
#include "cloob/memory/near_duplicates.h"
#include "cloob/search/index_images.h"
#include "cloob/search/removed_rows.h"
#include "cloob/search/search_index.h"
#include "cloob/train/stop_signal.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

struct MemoryDedupArguments {
  ModelArguments model;
  std::string memory;
  std::vector<std::string> against;
  std::string split = "test";
  std::string image_root;
  double threshold = NearDuplicateOptions{}.threshold;
  std::vector<std::string> settings;  // --data.section.key VALUE ...
};

struct EvaluationImages {
  std::shared_ptr<const Source> source;
  std::string split;  // if there are several
};

// Folders of classes, or in clip-benchmark's layout; folders with images in them, tables and shards.
EvaluationImages open_evaluation_images(const std::string& name, const MemoryDedupArguments& arguments,
                                        const DataConfig& data) {
  std::error_code ignored;
  const bool is_labeled =
      fs::is_directory(name, ignored) && std::ranges::none_of(paths_in(name), has_image_name);
  if (!is_labeled) return {open_index_source(data, {name}), ""};
  const bool has_splits = images_of_split(name, arguments.split) != name;
  return {open_labeled_source(name, arguments.split, data.threads), has_splits ? arguments.split : ""};
}

OpenedModel open_model_of_memory(const IndexHeader& header, const MemoryDedupArguments& arguments,
                                 Ranks& ranks) {
  if (!header.model) {
    throw_user_error("'{}' does not say which model its features are of: images cannot be compared with them",
                     arguments.memory);
  }
  ModelArguments model = arguments.model;
  if (model.checkpoint.empty()) model.checkpoint = header.model->checkpoint;
  OpenedModel opened = open_model(model, "dedup", ranks.single("memory dedup"));
  if (const IndexModel asked = identity_of(opened, model.checkpoint); asked.hash != header.model->hash) {
    throw_user_error("'{}' is of {}, not of {}: features of different models cannot be compared",
                     arguments.memory, describe(*header.model), describe(asked));
  }
  return opened;
}

// Rows that are near an image of one of the sets, and what of them each set was the first to find.
struct NearRows {
  std::vector<std::int64_t> rows;
  std::vector<Deduplication> sets;
};

NearRows find_near_rows(const SearchIndex& index, const MemoryDedupArguments& arguments,
                        OpenedModel& opened) {
  const NearDuplicateOptions options{.threshold = arguments.threshold,
                                     .threads = arguments.model.threads,
                                     .stop_requested = indexing_stop_requested};
  // All are opened before the first is encoded, which may take long.
  std::vector<EvaluationImages> sets;
  for (const std::string& name : arguments.against)
    sets.push_back(open_evaluation_images(name, arguments, opened.options.data));
  NearRows near;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const at::Tensor images_MD =
        opened.encoder.encode_images(sets[i].source, opened.options).features.unit_BD;
    require_finite_features(images_MD, "image");
    NearDuplicateOptions with_progress = options;
    with_progress.progress = [counter = opened.display->counter("compare", "entry"),
                              &index](std::int64_t done) { counter(done, index.size()); };
    const std::vector<std::int64_t> found = find_near_duplicates(index, images_MD, with_progress);
    opened.display->finish();
    std::vector<std::int64_t> all;
    std::ranges::set_union(near.rows, found, std::back_inserter(all));
    near.sets.push_back({.data = arguments.against[i],
                         .split = sets[i].split,
                         .threshold = arguments.threshold,
                         .images = images_MD.size(0),
                         .removed = std::ssize(all) - std::ssize(near.rows)});
    near.rows = std::move(all);
  }
  return near;
}

int dedup(const MemoryDedupArguments& arguments, Ranks& ranks) {
  const IndexLock lock(arguments.memory);
  const SearchIndex index(arguments.memory);
  index.features(Side::image);  // throws if there are none
  OpenedModel opened = open_model_of_memory(index.header(), arguments, ranks);
  opened.options.data =
      read_data_settings({{}, arguments.image_root, arguments.model.threads, arguments.settings});
  const StopSignal stop_signal;
  opened.options.stop_requested = indexing_stop_requested;
  try {
    const NearRows near = find_near_rows(index, arguments, opened);
    const IndexHeader header = remove_rows(lock, near.rows, [&](IndexHeader& changed) {
      changed.deduplicated.insert(changed.deduplicated.end(), near.sets.begin(), near.sets.end());
    });
    for (const Deduplication& set : near.sets) {
      log_info("memory", "{}: {} removed, whose cosine with one of {} of '{}' is at least {}",
               arguments.memory, counted_entries(set.removed), counted(set.images, "image"), set.data,
               shortest(set.threshold));
    }
    log_info("memory", "{}: {} left", arguments.memory, counted_entries(header.count - header.removed));
    return 0;
  } catch (const EvaluationStopped&) {
  } catch (const IndexingStopped&) {
  }
  log_info("memory", "stopped; '{}' is as it was", arguments.memory);
  return 128 + StopSignal::received();
}

}  // namespace

void add_memory_dedup(CLI::App& group, Action& action, Ranks& ranks) {
  CLI::App* const command = group.add_subcommand(
      "dedup", "Remove entries whose images are in evaluation sets, or nearly so, and record that");
  const auto arguments = std::make_shared<MemoryDedupArguments>();
  command->add_option("memory", arguments->memory, "Folder of the memory")->required();
  command
      ->add_option(
          "--against", arguments->against,
          "Evaluation sets: folders of classes, clip-benchmark folders, folders of images, tables or shards")
      ->required();
  command
      ->add_option("--threshold", arguments->threshold,
                   "Cosine of two images from which on they are the same")
      ->capture_default_str()
      ->check(CLI::Range(-1.0, 1.0));
  command->add_option("--split", arguments->split, "Split of a clip-benchmark folder")->capture_default_str();
  command->add_option("--image-root", arguments->image_root, "Folder that image paths of a table start from");
  command->add_option("--checkpoint", arguments->model.checkpoint,
                      "The model of the memory, if it is not where it was; no other one is allowed");
  add_model_options(*command, arguments->model);
  add_data_settings(*command, arguments->settings);
  command->callback([arguments, command, &action, &ranks] {
    take_unknown_settings(*command, arguments->settings);
    action = [arguments, command, &ranks] {
      reject_misspelled_options(*command);
      return dedup(*arguments, ranks);
    };
  });
}

}  // namespace cloob

#include "cloob/prepare/shapes_dataset.h"

#include <ATen/ceil_div.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/parallel.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"
#include "cloob/data/tar/tar_writer.h"
#include "cloob/image/encode.h"
#include "cloob/prepare/rare_shapes.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

// Not synced: syncing a thousand small files would take longer than rendering them.
void write_text(const fs::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) throw_user_error("cannot write '{}': {}", path.string(), describe_errno(errno));
}

using Render = std::function<ShapeSample(std::int64_t index)>;

void write_shard(const fs::path& path, const std::string& prefix, const Render& render, std::int64_t first,
                 std::int64_t last) {
  TarWriter writer(path);
  for (std::int64_t index = first; index < last; ++index) {
    const ShapeSample sample = render(index);
    const std::string key = fmt::format("{}{:09}", prefix, index);
    writer.add(key + ".png", encode_png(sample.image));
    writer.add(key + ".txt", sample.captions.at(0));
    writer.add(key + ".json", nlohmann::json{{"captions", sample.captions}}.dump());
  }
  writer.finish();
}

void write_shards(const fs::path& folder, const std::string& prefix, const Render& render, std::int64_t count,
                  std::int64_t per_shard, std::int64_t threads) {
  if (count == 0) return;
  make_directories(folder);
  parallel_for(at::ceil_div(count, per_shard), threads, [&](std::int64_t shard) {
    write_shard(folder / fmt::format("{:05}.tar", shard), prefix, render, shard * per_shard,
                std::min(count, (shard + 1) * per_shard));
  });
}

std::string folder_of_class(std::string name) {
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

void write_class_folders(const fs::path& folder, const ShapesConfig& config, std::int64_t count,
                         std::int64_t threads) {
  // The lines of classnames.txt are in the order of the folder names.
  std::map<std::string, std::string> name_of_folder;
  for (const std::string& name : shape_classes(ShapesSplit::held_out)) {
    name_of_folder[folder_of_class(name)] = name;
  }
  std::string names;
  for (const auto& [folder_name, name] : name_of_folder) {
    make_directories(folder / folder_name);
    names += name + "\n";
  }
  write_text(folder / "classnames.txt", names);
  write_text(folder / "templates.txt", join(shape_templates(), "\n") + "\n");
  parallel_for(count, threads, [&](std::int64_t index) {
    const ShapeSample sample = render_shape_sample(config, ShapesSplit::held_out, index);
    write_text(folder / folder_of_class(sample.class_name) / fmt::format("{:06}.png", index),
               encode_png(sample.image));
  });
}

void write_probe_images(const fs::path& folder, const ShapesConfig& config, ShapesSplit split,
                        const char* half, std::int64_t count, std::int64_t threads) {
  const fs::path colors = folder / "color" / half, shapes = folder / "shape" / half;
  // Of every combination, whatever `count` is: all folders have to exist.
  for (const std::string& name : shape_classes(config, split)) {
    const std::size_t space = name.find(' ');
    make_directories(colors / name.substr(0, space));
    make_directories(shapes / name.substr(space + 1));
  }
  parallel_for(count, threads, [&](std::int64_t index) {
    const ShapeSample sample = render_shape_sample(config, split, index);
    const std::string png = encode_png(sample.image), name = fmt::format("{:06}.png", index);
    write_text(colors / sample.color / name, png);
    write_text(shapes / sample.shape / name, png);
  });
}

using Entities = std::vector<RareEntity>;

// Pairs of all entities in turn. Pairs of different folders have different keys: by its key a pair is recognised in a memory.
void write_rare_shards(const fs::path& folder, const ShapesConfig& config, RareSplit split,
                       const Entities& entities, std::int64_t num_each, std::int64_t per_shard,
                       std::int64_t threads) {
  const std::int64_t num_entities = std::ssize(entities);
  const Render render = [&](std::int64_t index) {
    const RareEntity& entity = entities[static_cast<std::size_t>(index % num_entities)];
    return render_rare_sample(config, split, entity, index / num_entities);
  };
  write_shards(folder, folder.filename().string() + "_", render, num_entities * num_each, per_shard, threads);
}

std::string lines_of_names(const Entities& entities) {
  std::string lines;
  for (const RareEntity& entity : entities) lines += entity.name + "\n";
  return lines;
}

void write_rare_classes(const fs::path& folder, const ShapesConfig& config, Entities entities,
                        std::int64_t num_each, std::int64_t threads) {
  // The order of the folders.
  std::ranges::sort(entities, {}, &RareEntity::name);
  make_directories(folder);
  write_text(folder / "classnames.txt", lines_of_names(entities));
  write_text(folder / "templates.txt", join(shape_templates(), "\n") + "\n");
  parallel_for(std::ssize(entities), threads, [&](std::int64_t number) {
    const RareEntity& entity = entities[static_cast<std::size_t>(number)];
    make_directories(folder / entity.name);
    for (std::int64_t index = 0; index < num_each; ++index) {
      const ShapeSample sample = render_rare_sample(config, RareSplit::test, entity, index);
      write_text(folder / entity.name / fmt::format("{:06}.png", index), encode_png(sample.image));
    }
  });
}

void write_rare(const fs::path& folder, const ShapesConfig& config, const ShapesDatasetSize& size,
                std::int64_t threads) {
  const Entities all = rare_entities(config.seed, size.rare.num_names);
  Entities seen, unseen;
  std::string table = "name\tseen\tshows\n";
  for (const RareEntity& entity : all) {
    (entity.seen ? seen : unseen).push_back(entity);
    table += fmt::format("{}\t{}\t{}\n", entity.name, entity.seen ? "yes" : "no", describe(entity));
  }
  make_directories(folder);
  write_text(folder / "entities.tsv", table);
  const RareShapesSize& rare = size.rare;
  const auto write_pairs = [&](const char* name, RareSplit split, const Entities& entities,
                               std::int64_t num_each) {
    write_rare_shards(folder / name, config, split, entities, num_each, size.samples_per_shard, threads);
  };
  write_pairs("memory", RareSplit::memory, all, rare.num_memory);
  write_pairs("train", RareSplit::train, seen, rare.num_train);
  write_pairs("validation", RareSplit::validation, seen, rare.num_test);
  write_rare_classes(folder / "test" / "all", config, all, rare.num_test, threads);
  write_text(folder / "test" / "all" / "seen_names.txt", lines_of_names(seen));
  write_rare_classes(folder / "test" / "seen", config, seen, rare.num_test, threads);
  write_rare_classes(folder / "test" / "unseen", config, unseen, rare.num_test, threads);
}

void write_all(const fs::path& folder, const ShapesConfig& config, const ShapesDatasetSize& size,
               std::int64_t threads) {
  const auto write_pairs = [&](const char* name, ShapesSplit split, std::int64_t count) {
    const Render render = [&](std::int64_t index) { return render_shape_sample(config, split, index); };
    write_shards(folder / name, "", render, count, size.samples_per_shard, threads);
  };
  write_pairs("train", ShapesSplit::train, size.num_train);
  write_pairs("validation", ShapesSplit::validation, size.num_validation);
  if (size.num_held_out > 0) write_class_folders(folder / "held_out", config, size.num_held_out, threads);
  if (size.rare.num_names > 0) write_rare(folder / "rare", config, size, threads);
  if (size.num_probe == 0) return;
  const fs::path attributes = folder / "attributes";
  write_probe_images(attributes, config, ShapesSplit::probe_train, "train", size.num_probe, threads);
  write_probe_images(attributes, config, ShapesSplit::probe_test, "test", size.num_probe, threads);
}

}  // namespace

void write_shapes_dataset(const fs::path& folder, const ShapesConfig& config, const ShapesDatasetSize& size,
                          std::int64_t threads) {
  CLOOB_CHECK(size.samples_per_shard >= 1, "shards of {} samples", size.samples_per_shard);
  write_new_folder(folder, [&](const fs::path& partial) { write_all(partial, config, size, threads); });
}

}  // namespace cloob

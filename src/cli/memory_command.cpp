// cloob memory remove|compact|inspect; the others are in memory_build_command.cpp and memory_dedup_command.cpp

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "cli/commands.h"
#include "cli/index_options.h"
#include "cli/output_file.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/memory/rewrite_memory.h"
#include "cloob/report/progress.h"
#include "cloob/search/removed_rows.h"
#include "cloob/search/search_index.h"
#include "cloob/train/stop_signal.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct MemoryRemoveArguments {
  std::string memory;
  std::vector<std::string> keys;
  std::string keys_file;
};

std::vector<std::string> keys_of(const MemoryRemoveArguments& arguments) {
  std::vector<std::string> keys = arguments.keys;
  if (!arguments.keys_file.empty()) {
    for (std::string& line : read_lines(arguments.keys_file)) {
      if (!line.empty()) keys.push_back(std::move(line));
    }
  }
  if (keys.empty())
    throw_user_error("which entries are to be removed? Give their keys, or a file of keys with --keys");
  return keys;
}

void warn_of_unknown(const std::vector<std::string>& unknown, std::size_t keys, const std::string& memory) {
  if (unknown.empty()) return;
  constexpr std::size_t kShown = 3;
  const std::vector<std::string> shown(
      unknown.begin(), unknown.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, unknown.size())));
  const std::string text =
      fmt::format("{} of {} are not in '{}', or were removed before: '{}'{}",
                  with_thousands(std::ssize(unknown)), counted(static_cast<std::int64_t>(keys), "key"),
                  memory, join(shown, "', '"), unknown.size() > kShown ? ", ..." : "");
  if (unknown.size() == keys) throw_user_error("{}: nothing was removed", text);
  log_warning("memory", "{}", text);
}

int memory_remove(const MemoryRemoveArguments& arguments, const Ranks& ranks) {
  ranks.single("memory remove");
  const std::vector<std::string> keys = keys_of(arguments);
  const IndexLock lock(arguments.memory);
  const SearchIndex index(arguments.memory);
  const std::vector<std::vector<std::int64_t>> found = index.find_keys(keys);
  std::vector<std::string> unknown;
  std::unordered_set<std::int64_t> rows;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (found[i].empty()) unknown.push_back(keys[i]);
    rows.insert(found[i].begin(), found[i].end());
  }
  warn_of_unknown(unknown, keys.size(), arguments.memory);
  const IndexHeader header = remove_rows(lock, {rows.begin(), rows.end()});
  log_info("memory", "{}: {} removed; {} left ('cloob memory compact' frees their space)", arguments.memory,
           counted_entries(std::ssize(rows)), counted_entries(header.count - header.removed));
  return 0;
}

struct CompactArguments {
  std::string memory;
  std::int64_t threads = 0;
};

int memory_compact(const CompactArguments& arguments, const Ranks& ranks) {
  ranks.single("memory compact");
  const IndexLock lock(arguments.memory);
  const IndexHeader before = read_index_header(arguments.memory);
  if (before.removed == 0) {
    log_info("memory", "{}: no entry was removed, so that there is nothing to compact", arguments.memory);
    return 0;
  }
  const StopSignal stop_signal;
  ProgressDisplay display(ProgressStyle::auto_);
  const auto counter = display.counter("compact", "entry");
  try {
    const IndexHeader after = compact_memory(
        lock, {.threads = arguments.threads,
               .stop_requested = indexing_stop_requested,
               .progress = [&](std::int64_t done) { counter(done, before.count - before.removed); }});
    display.finish();
    log_info("memory", "{}: {} left, without the {} removed; they are numbered anew", arguments.memory,
             counted_entries(after.count), with_thousands(before.removed));
    return 0;
  } catch (const IndexingStopped&) {
  }
  display.finish();
  log_info("memory", "stopped; '{}' is as it was", arguments.memory);
  return 128 + StopSignal::received();
}

// What `cloob memory inspect` tells.
struct MemoryInspection {
  IndexHeader header;
  std::int64_t images = 0;  // different contents that are alive
  std::vector<std::pair<std::string, std::uint64_t>> files;
  std::uint64_t bytes = 0;
};

MemoryInspection inspect_memory(const std::string& folder) {
  const SearchIndex index(folder);
  MemoryInspection inspection{.header = index.header(), .files = {}};
  std::unordered_set<std::uint64_t> contents;
  for (std::int64_t row = 0; row < index.size(); ++row) {
    if (!index.is_removed(row)) contents.insert(index.content_hash(row));
  }
  inspection.images = std::ssize(contents);
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    inspection.files.emplace_back(entry.path().filename().string(), entry.file_size(error));
  if (error) throw_user_error("cannot list '{}': {}", folder, error.message());
  std::ranges::sort(inspection.files);
  for (const auto& [name, bytes] : inspection.files) inspection.bytes += bytes;
  return inspection;
}

Json to_json(const MemoryInspection& inspection, const std::string& folder) {
  const IndexHeader& header = inspection.header;
  Json json = {{"memory", folder},
               {"entries", header.count - header.removed},
               {"removed", header.removed},
               {"images", inspection.images},
               {"skipped", header.skipped},
               {"dims", header.dims},
               {"dtype", header.type == FeatureType::fp16 ? "float16" : "float32"},
               {"kind", enum_name(header.kind)},
               {"sides", Json::array()},
               {"model", nullptr},
               {"verified", header.is_verified},
               {"check", nullptr},
               {"deduplicated", Json::array()},
               {"sources", header.sources},
               {"bytes", inspection.bytes},
               {"files", Json::object()}};
  for (const auto& [side, shape] : header.sides) json["sides"].push_back(enum_name(side));
  if (header.model) {
    json["model"] = {
        {"hash", header.model->hash}, {"name", header.model->name}, {"checkpoint", header.model->checkpoint}};
  }
  if (header.check) {
    json["check"] = {{"images", header.check->images},
                     {"captions", header.check->captions},
                     {"lowest_cosine", header.check->lowest_cosine}};
  }
  for (const Deduplication& each : header.deduplicated) {
    json["deduplicated"].push_back({{"data", each.data},
                                    {"split", each.split},
                                    {"threshold", each.threshold},
                                    {"images", each.images},
                                    {"removed", each.removed},
                                    {"added_since", each.added_since}});
  }
  for (const auto& [name, bytes] : inspection.files) json["files"][name] = bytes;
  return json;
}

std::string verification_of(const IndexHeader& header) {
  const std::string compared =
      header.check ? fmt::format("{} and {} were encoded again: lowest cosine {:.5f}",
                                 counted(header.check->images, "image"),
                                 counted(header.check->captions, "caption"), header.check->lowest_cosine)
                   : "";
  if (!header.is_verified)
    return compared.empty() ? "no, nothing could be compared" : "only a part, of which " + compared;
  return compared.empty() ? "encoded by this model" : compared;
}

void print_inspection(const MemoryInspection& inspection, const std::string& folder) {
  const IndexHeader& header = inspection.header;
  const auto line = [](const char* name, const std::string& text) {
    fmt::print("{:<13} {}\n", name, without_controls(text));
  };
  line("memory", folder);
  line("entries", fmt::format("{}, of {} with different content; {} removed",
                              with_thousands(header.count - header.removed),
                              with_thousands(inspection.images), with_thousands(header.removed)));
  std::vector<std::string> sides;
  for (const auto& [side, shape] : header.sides) sides.push_back(fmt::format("{}s", enum_name(side)));
  line("features", fmt::format("of {}: {} each, {}", join(sides, " and "), counted(header.dims, "number"),
                               enum_name(header.type)));
  line("search", std::string(enum_name(header.kind)));
  line("model", header.model ? describe(*header.model) : "unknown");
  if (header.model) line("verified", verification_of(header));
  if (header.deduplicated.empty()) line("deduplicated", "no");
  for (const Deduplication& each : header.deduplicated) {
    line("deduplicated",
         fmt::format("against '{}'{}: {} removed, whose cosine with one of {} is at least {}{}", each.data,
                     each.split.empty() ? "" : fmt::format(" (split {})", each.split),
                     counted_entries(each.removed), counted(each.images, "image"), shortest(each.threshold),
                     each.added_since == 0 ? ""
                                           : fmt::format("; {} added since were not compared",
                                                         counted_entries(each.added_since))));
  }
  line("sources", join(header.sources, ", "));
  line("size", human_bytes(inspection.bytes));
}

int memory_inspect(const std::string& memory, const std::string& json) {
  require_output(json, OutputKind::json, {memory + "/*"});
  const MemoryInspection inspection = inspect_memory(memory);
  if (json.empty())
    print_inspection(inspection, memory);
  else
    write_json_line(
        json,
        to_json(inspection, memory).dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace));
  return 0;
}

void add_remove(CLI::App& group, Action& action, Ranks& ranks) {
  CLI::App* const command = group.add_subcommand(
      "remove", "Remove entries: they are not found any more, and 'compact' frees their space");
  const auto arguments = std::make_shared<MemoryRemoveArguments>();
  command->add_option("memory", arguments->memory, "Folder of the memory")->required();
  command->add_option("key", arguments->keys, "Keys of entries; all entries with a key are removed");
  command->add_option("--keys", arguments->keys_file, "Text file with a key on each line");
  command->callback([arguments, &action, &ranks] {
    action = [arguments, &ranks] { return memory_remove(*arguments, ranks); };
  });
}

void add_compact(CLI::App& group, Action& action, Ranks& ranks) {
  CLI::App* const command =
      group.add_subcommand("compact", "Write a memory anew, without the entries that were removed");
  const auto arguments = std::make_shared<CompactArguments>();
  command->add_option("memory", arguments->memory, "Folder of the memory")->required();
  command->add_option("--threads", arguments->threads, "Threads; 0 uses all processors")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
  command->callback([arguments, &action, &ranks] {
    action = [arguments, &ranks] { return memory_compact(*arguments, ranks); };
  });
}

void add_inspect(CLI::App& group, Action& action) {
  CLI::App* const command =
      group.add_subcommand("inspect", "Say what a memory holds, of which model, and what was removed");
  const auto memory = std::make_shared<std::string>(), json = std::make_shared<std::string>();
  command->add_option("memory", *memory, "Folder of the memory")->required();
  add_json_option(*command, *json);
  command->callback(
      [memory, json, &action] { action = [memory, json] { return memory_inspect(*memory, *json); }; });
}

}  // namespace

void add_memory_commands(CLI::App& app, Action& action, Ranks& ranks) {
  CLI::App* const group =
      app.add_subcommand("memory", "Memories: indexes of image-text pairs, to retrieve from");
  group->require_subcommand(1);
  add_memory_build(*group, action, ranks);
  add_memory_dedup(*group, action, ranks);
  add_remove(*group, action, ranks);
  add_compact(*group, action, ranks);
  add_inspect(*group, action);
}

}  // namespace cloob

// cloob bench inputs

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/output_file.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/timer.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/config/source.h"
#include "cloob/data/table/csv_table.h"
#include "cloob/text/clean.h"

namespace cloob {
namespace {

// A file in memory, for readers that take a path.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("bench", MFD_CLOEXEC)) {
    if (descriptor_ < 0) throw_user_error("cannot create a file in memory");
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::filesystem::path path() const { return fmt::format("/proc/{}/fd/{}", ::getpid(), descriptor_); }

 private:
  int descriptor_;
};

// An input that is made to be slow to read, `size` elements of it, and reading it.
struct Reader {
  std::string_view name;
  std::int64_t size;
  std::function<std::function<void()>(std::int64_t size)> prepare;  // returns the part to time
};

std::string repeated(std::string_view part, std::int64_t count) {
  std::string text;
  for (std::int64_t i = 0; i < count; ++i) text += part;
  return text;
}

// A reference to a reference to a reference ...
std::function<void()> caption_of_references(std::int64_t size) {
  return [caption = "&" + repeated("amp;", size)] { clean_caption(caption); };
}

std::function<void()> safetensors_of_tensors(std::int64_t size) {
  NamedTensors tensors;
  const at::Tensor one = at::zeros({1});
  for (std::int64_t i = 0; i < size; ++i) tensors.emplace(fmt::format("t{}", i), one);
  const auto file = std::make_shared<MemoryFile>();
  write_safetensors(file->path(), tensors, {});
  return [file] { read_safetensors(file->path(), [](std::string_view) { return false; }); };
}

// The line numbers of rows whose fields contain line breaks.
std::function<void()> table_of_line_breaks(std::int64_t size) {
  const auto file = std::make_shared<MemoryFile>();
  write_file_atomically(file->path(), "filepath,title\n" + repeated("a.jpg,\"\n\n\n\"\n", size));
  return [file] {
    const CsvTable table(file->path(), CsvConfig());
    for (std::int64_t row = 0; row < table.num_rows(); ++row) table.row(row);
    table.line(table.num_rows() - 1);
  };
}

std::function<void()> settings_of_keys(std::int64_t size) {
  std::string text;
  for (std::int64_t i = 0; i < size; ++i) text += fmt::format("k{}: 1\n", i);
  return [text] { ConfigSource::from_text(text, "bench"); };
}

double seconds_of(const Reader& reader, std::int64_t size) {
  const std::function<void()> read = reader.prepare(size);
  const Timer timer;
  read();
  return timer.seconds();
}

// Reading four times as much takes four times as long if the time is proportional to the size, and sixteen times if it is
// proportional to its square.
int bench_inputs(const std::string& json) {
  require_output(json, OutputKind::json, {});
  constexpr std::int64_t kFactor = 4;
  nlohmann::ordered_json results;
  for (const Reader& reader :
       std::vector<Reader>{{"caption of nested references", 50'000, caption_of_references},
                           {"safetensors of many tensors", 10'000, safetensors_of_tensors},
                           {"table of line breaks", 100'000, table_of_line_breaks},
                           {"settings of many keys", 10'000, settings_of_keys}}) {
    const double small = seconds_of(reader, reader.size), large = seconds_of(reader, kFactor * reader.size);
    results[std::string(reader.name)] = {
        {"elements", kFactor * reader.size}, {"seconds", large}, {"growth", large / small}};
  }
  write_result(json, results.dump());
  return 0;
}

}  // namespace

void add_bench_inputs(CLI::App& group, Action& action) {
  CLI::App* const command = group.add_subcommand(
      "inputs", "Time to read inputs made to be slow, and how it grows when they get four times as large");
  const auto json = std::make_shared<std::string>();
  add_json_option(*command, *json);
  command->callback([json, &action] { action = [json] { return bench_inputs(*json); }; });
}

}  // namespace cloob

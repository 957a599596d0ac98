#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"
#include "cloob/data/table/csv_table.h"
#include "prepare/pack_samples.h"
#include "prepare/split_parts.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

// Thrown after a request to stop, so that partial output is removed.
struct Stopped {};

// Buffers lines before writing them.
class LineWriter {
 public:
  explicit LineWriter(fs::path path) : file_(std::move(path)) {}
  void add(const std::string& line) {
    constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
    lines_ += line;
    lines_ += '\n';
    if (lines_.size() >= kBufferBytes) write();
  }
  void finish() {
    write();
    file_.finish();
  }

 private:
  void write() {
    file_.write(std::string_view(lines_));
    lines_.clear();
  }

  OutputFile file_;
  std::string lines_;
};

// A table to split.
struct InputTable {
  CsvTable table;
  std::size_t filepath_column;
  fs::path to_images;  // from the folder of the new tables to the folder that relative paths start from
};

// The path from one folder to another, both absolute: relative if they have more than the root in common, so
// that they may be moved together.
fs::path path_between(const fs::path& from, const fs::path& to) {
  const auto different = std::mismatch(from.begin(), from.end(), to.begin(), to.end()).first;
  return std::distance(from.begin(), different) > 1 ? to.lexically_relative(from) : to;
}

class TableSplitter {
 public:
  TableSplitter(const DataConfig& config, const std::vector<fs::path>& paths, const fs::path& folder,
                const SplitOptions& options)
      : config_(config), part_of_(options.parts, options.seed) {
    const fs::path target = fs::weakly_canonical(fs::current_path() / folder);
    for (const fs::path& path : paths) {
      CsvTable table(path, config.csv);
      const std::size_t column = table.find_column(config.csv.filepath_column, "data.csv.filepath_column");
      const fs::path images = config.image_root ? fs::path(*config.image_root) : path.parent_path();
      inputs_.push_back({std::move(table), column,
                         path_between(target, fs::weakly_canonical(fs::current_path() / images))});
      num_rows_ += inputs_.back().table.num_rows();
    }
    require_same_columns();
    for (const SplitPart& part : options.parts) result_.num_samples.emplace_back(part.name, 0);
    // The extension decides how a file is read: 'train.txt' would not be read as a table.
    const std::string extension = to_lower_ascii(paths.front().extension().string());
    extension_ = extension == ".csv" || extension == ".tsv" ? extension
                 : dialect().separator == '\t'              ? ".tsv"
                                                            : ".csv";
  }

  SplitResult run(const fs::path& folder, const PackHooks& hooks) {
    for (const auto& [name, count] : result_.num_samples) {
      outputs_.push_back(std::make_unique<LineWriter>(folder / (name + extension_)));
      if (config_.csv.header) outputs_.back()->add(format_record(inputs_.front().table.columns(), dialect()));
    }
    std::int64_t num_done = 0;
    for (const InputTable& input : inputs_) {
      CsvRowReader reader(input.table);
      for (std::int64_t row = 0; row < input.table.num_rows(); ++row) {
        split_row(input, reader, row);
        if (hooks.stop_requested && hooks.stop_requested()) throw Stopped();
        if (hooks.progress) hooks.progress(++num_done, num_rows_);
      }
    }
    check_split(result_);
    for (const auto& output : outputs_) output->finish();
    return std::move(result_);
  }

 private:
  const CsvDialect& dialect() const { return inputs_.front().table.dialect(); }

  void require_same_columns() const {
    const CsvTable& first = inputs_.front().table;
    for (const InputTable& input : inputs_) {
      const bool fits = config_.csv.header ? input.table.columns() == first.columns()
                                           : input.table.columns().size() == first.columns().size();
      if (fits) continue;
      throw_user_error("'{}' and '{}' have different columns: split them separately, or add --pack",
                       first.path().string(), input.table.path().string());
    }
  }

  void split_row(const InputTable& input, CsvRowReader& reader, std::int64_t row) {
    try {
      std::vector<std::string> fields = reader.row(row);
      std::string& path = fields[input.filepath_column];
      const std::size_t part = part_of_(path);
      if (part == outputs_.size()) {
        ++result_.num_in_no_part;
        return;
      }
      if (!path.empty() && !fs::path(path).is_absolute()) path = (input.to_images / path).string();
      outputs_[part]->add(format_record(fields, dialect()));
      ++result_.num_samples[part].second;
    } catch (const BadSample& bad) {
      result_.bad.add(bad.kind(), [&] {
        return fmt::format("{}:{}: {}", input.table.path().string(), input.table.line(row), bad.what());
      });
      check_bad_share(result_.bad, num_rows_, config_);
    }
  }

  const DataConfig& config_;
  PartOfKey part_of_;
  std::vector<InputTable> inputs_;
  std::int64_t num_rows_ = 0;
  std::string extension_;
  std::vector<std::unique_ptr<LineWriter>> outputs_;
  SplitResult result_;
};

}  // namespace

SplitResult split_tables(const DataConfig& config, const std::vector<fs::path>& tables,
                         const fs::path& folder, const SplitOptions& options, const PackHooks& hooks) {
  SplitResult result;
  TableSplitter splitter(config, tables, folder, options);
  if (hooks.opened) hooks.opened();
  try {
    write_new_folder(folder, [&](const fs::path& partial) { result = splitter.run(partial, hooks); });
  } catch (const Stopped&) {
    result.stopped = true;
  }
  return result;
}

}  // namespace cloob

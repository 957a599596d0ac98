#include "cloob/report/metrics.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"
#include "report/append_file.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

// A file or data set name in the name of a metric may contain any bytes.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Counts are printed in full, however large, so that other programs can parse them as integers.
std::string number_text(double value) {
  constexpr double kMaxExactInteger = 9007199254740992.0;  // 2^53
  if (!std::isfinite(value)) return "null";
  if (value == std::trunc(value) && std::abs(value) < kMaxExactInteger) return fmt::format("{:.0f}", value);
  return shortest(value);
}

double number_or_nan(const Json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

MetricsRecord parse_record(std::string_view line) {
  MetricsRecord record;
  const Json object = parse_json<Json>(line);
  record.step = object.at("step").get<std::int64_t>();
  record.epoch = object.at("epoch").get<double>();
  record.samples_seen = object.at("samples_seen").get<std::int64_t>();
  record.time_s = object.at("time_s").get<double>();
  for (const auto& [name, value] : object.items()) {
    const bool is_position = name == "step" || name == "epoch" || name == "samples_seen" || name == "time_s";
    if (is_position) continue;
    if (value.is_string()) {
      record.words.emplace_back(name, value.get<std::string>());
    } else {
      record.metrics.emplace_back(name, number_or_nan(value));
    }
  }
  return record;
}

// Removes the first line, without its newline, from `rest`; false when no complete line is left.
bool take_line(std::string_view& rest, std::string_view& line) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return false;
  line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return true;
}

bool is_evaluation(const MetricsRecord& record) {
  return std::ranges::none_of(record.metrics,
                              [](const auto& metric) { return metric.first.starts_with("train/"); });
}

// What a task measured before an epoch, at the step after which the run resumes: it will measure that again.
bool is_begin_of_epoch(const MetricsRecord& record) {
  return std::ranges::any_of(record.metrics,
                             [](const auto& metric) { return metric.first.starts_with("episode/"); });
}

bool is_record_until(std::string_view line, const ResumePoint& resumed) {
  try {
    const MetricsRecord record = parse_record(line);
    return record.step < resumed.step || (record.step == resumed.step && !is_begin_of_epoch(record) &&
                                          (resumed.is_evaluated || !is_evaluation(record)));
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

std::string to_json(const NamedNumbers& numbers) {
  std::string text = "{";
  for (const auto& [name, value] : numbers) {
    if (text.size() > 1) text += ", ";
    text += quoted(name) + ": " + number_text(value);
  }
  return text + "}";
}

std::filesystem::path metrics_path(const std::filesystem::path& run_dir) { return run_dir / "metrics.jsonl"; }

std::filesystem::path evaluations_path(const std::filesystem::path& run_dir) {
  return run_dir / "evaluations.jsonl";
}

MetricsWriter::MetricsWriter(const std::filesystem::path& file) : file_(std::make_unique<AppendFile>(file)) {}

MetricsWriter::~MetricsWriter() = default;

void MetricsWriter::write(const MetricsRecord& record) {
  // Doubles represent every integer below 2^53, far beyond any step or sample count.
  NamedNumbers all = {{"step", static_cast<double>(record.step)},
                      {"epoch", record.epoch},
                      {"samples_seen", static_cast<double>(record.samples_seen)},
                      {"time_s", record.time_s}};
  all.insert(all.end(), record.metrics.begin(), record.metrics.end());
  std::string line = to_json(all);
  line.pop_back();
  for (const auto& [name, word] : record.words) line += fmt::format(", {}: {}", quoted(name), quoted(word));
  file_->append(line + "}\n");
}

std::int64_t drop_metrics_after(const std::filesystem::path& path, const ResumePoint& resumed) {
  if (!std::filesystem::exists(path)) return 0;
  const std::string content = read_file(path);
  std::string_view rest = content;
  std::string_view dropped = rest;
  std::string_view line;
  while (take_line(rest, line) && is_record_until(line, resumed)) dropped = rest;
  if (dropped.empty()) return 0;
  write_file_atomically(path, std::string_view(content).substr(0, content.size() - dropped.size()));
  return std::count(dropped.begin(), dropped.end(), '\n') + (dropped.back() == '\n' ? 0 : 1);
}

std::vector<MetricsRecord> read_metrics(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  std::vector<MetricsRecord> records;
  std::string_view rest = content;
  std::string_view line;
  while (take_line(rest, line)) {
    try {
      records.push_back(parse_record(line));
    } catch (const std::exception&) {
      throw_user_error(
          "{}:{}: not a line of metrics: expected a JSON object with step, epoch, samples_seen, time_s and "
          "numbers",
          path.string(), records.size() + 1);
    }
  }
  return records;
}

std::vector<MetricsRecord> read_evaluations(const std::filesystem::path& run_dir,
                                            const std::vector<MetricsRecord>& records) {
  std::error_code ignored;
  if (!std::filesystem::exists(evaluations_path(run_dir), ignored)) return records;
  std::vector<MetricsRecord> evaluations = read_metrics(evaluations_path(run_dir));
  for (MetricsRecord& record : evaluations) {
    const auto is_name = [](const auto& word) { return word.first == "evaluation"; };
    const auto name = std::ranges::find_if(record.words, is_name);
    const bool has_own_prefix = name != record.words.end() && name->second != "pairs";
    for (auto& [metric, value] : record.metrics)
      metric = has_own_prefix ? fmt::format("val/{}_{}", name->second, metric) : "val/" + metric;
  }
  return evaluations;
}

}  // namespace cloob

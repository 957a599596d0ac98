// What a suite measures, and the files that it writes: clip-benchmark's JSON, whose tools read it, with more in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/eval/bootstrap.h"
#include "cloob/eval/suite/suite_set.h"
#include "cloob/report/html_report.h"
#include "cloob/report/named_numbers.h"

namespace cloob {

/// The model that is evaluated, as results name it.
struct SuiteModel {
  std::string name;          ///< in names of files and in tables
  std::string architecture;  ///< such as RN50
  std::string path;          ///< as the user gave it
  std::string hash;  ///< of all that its features depend on: results with another one are not of this model
  std::string refinement = {};  ///< how a memory refines them, as JSON; empty: it does not
};

struct SuiteMetric {
  std::string name;  ///< clip-benchmark's: acc1, image_retrieval_recall@5, ...
  double value = 0;  ///< NaN if there is none
  std::optional<Interval> interval = std::nullopt;
};

/// Metrics of one model, data set and task.
struct SuiteMeasures {
  std::vector<SuiteMetric> metrics;
  NamedNumbers details = {};  ///< how they came about: num_samples, the regulariser that was chosen, ...
};

struct SuiteResult {
  std::string model;  ///< SuiteModel::name
  std::string architecture;
  std::string set;
  SuiteTask task = SuiteTask::zero_shot;
  std::vector<SuiteMetric> metrics;
  bool was_finished = false;  ///< read from the file of an earlier suite
  double seconds = 0;         ///< that it took
};

/// What clip-benchmark calls a task; those that it does not have, as we do.
std::string task_name(SuiteTask task);

/// Name of the JSON file of a result. Characters that are trouble in file names become '_'.
std::string result_file_name(const std::string& model, const std::string& set, SuiteTask task);

/// Everything that determines a result besides the program: a result with another text was measured otherwise.
std::string settings_of_result(const SuiteModel& model, const SuiteSet& set, SuiteTask task,
                               const SuiteSettings& eval, const std::string& precision);

/// The JSON of a result. clip-benchmark's keys: dataset, model, pretrained, task, metrics, language, classnames, templates.
/// All else is in the object "cloob": intervals, settings, where names come from.
std::string result_json(const SuiteModel& model, const SuiteSet& set, SuiteTask task,
                        const SuiteMeasures& measures, const std::string& settings, double confidence,
                        double seconds);

/// The text of a file that may be a result. Throws UserError if it is none of a suite, so that it must not be overwritten.
std::string read_result_file(const std::filesystem::path& file);

/// The result, if it was measured with these settings; nullopt if with others.
std::optional<SuiteResult> parse_result(const std::string& json, const std::string& settings);

inline constexpr std::string_view kSuiteCsvHeader = "checkpoint,model,dataset,task,metric,value,low,high\n";

/// All metrics of all results, a row each, below that header.
std::string results_csv(std::span<const SuiteResult> results);

/// The main metrics of all results, in percent.
ReportTable results_table(std::span<const SuiteResult> results, double confidence);

}  // namespace cloob

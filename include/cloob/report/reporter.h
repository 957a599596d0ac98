#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "cloob/report/metrics.h"
#include "cloob/report/report_config.h"
#include "cloob/report/tensorboard.h"

namespace cloob {

/// Writes the metrics of a run into its folder: metrics.jsonl, evaluations.jsonl and, if enabled,
/// tensorboard/. Not thread-safe.
class Reporter {
 public:
  /// `run_dir` must exist. `resumed` is set for a resumed run; what the interrupted run wrote and this one will
  /// write again is dropped.
  Reporter(const ReportConfig& config, const std::filesystem::path& run_dir,
           const std::optional<ResumePoint>& resumed);

  void write(const MetricsRecord& record);
  /// Writes a line of evaluations.jsonl.
  void write_evaluation(const MetricsRecord& record);

  /// An image for TensorBoard; `png` is the content of a PNG file.
  void write_image(std::int64_t step, const std::string& tag, std::string_view png);

 private:
  MetricsWriter metrics_;
  MetricsWriter evaluations_;
  std::optional<TensorBoardWriter> tensorboard_;
};

}  // namespace cloob

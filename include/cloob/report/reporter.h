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

/// Writes what a run measures into its folder: metrics.jsonl and, when wanted, tensorboard/. Not thread-safe.
class Reporter {
 public:
  /// `run_dir` must exist. A run resumed after step s gives s; what the stopped run wrote about later steps
  /// is dropped.
  Reporter(const ReportConfig& config, const std::filesystem::path& run_dir,
           std::optional<std::int64_t> resumed_after_step);

  void write(const MetricsRecord& record);

  /// A picture for TensorBoard; `png` is the content of a PNG file.
  void write_image(std::int64_t step, const std::string& tag, std::string_view png);

 private:
  MetricsWriter metrics_;
  std::optional<TensorBoardWriter> tensorboard_;
};

}  // namespace cloob

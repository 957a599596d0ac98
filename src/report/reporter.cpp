#include "cloob/report/reporter.h"

#include "cloob/base/log.h"

namespace cloob {
namespace {

// A writer keeps its file open, so lines must be dropped before it is created.
const std::filesystem::path& without_later_lines(const std::filesystem::path& file,
                                                 const std::optional<ResumePoint>& resumed) {
  if (!resumed) return file;
  const std::int64_t dropped = drop_metrics_after(file, *resumed);
  if (dropped > 0)
    log_info("report", "dropped {} line(s) after step {} from {}", dropped, resumed->step, file.string());
  return file;
}

}  // namespace

Reporter::Reporter(const ReportConfig& config, const std::filesystem::path& run_dir,
                   const std::optional<ResumePoint>& resumed)
    : metrics_(without_later_lines(metrics_path(run_dir), resumed)),
      evaluations_(without_later_lines(evaluations_path(run_dir), resumed)) {
  if (config.tensorboard)
    tensorboard_.emplace(run_dir / "tensorboard", resumed ? std::optional(resumed->step) : std::nullopt);
}

void Reporter::write(const MetricsRecord& record) {
  metrics_.write(record);
  if (tensorboard_) tensorboard_->write_scalars(record.step, record.metrics);
}

void Reporter::write_evaluation(const MetricsRecord& record) { evaluations_.write(record); }

void Reporter::write_image(std::int64_t step, const std::string& tag, std::string_view png) {
  if (tensorboard_) tensorboard_->write_image(step, tag, png);
}

}  // namespace cloob

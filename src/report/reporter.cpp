#include "cloob/report/reporter.h"

#include "cloob/base/log.h"

namespace cloob {
namespace {

// The writer keeps its file open, so lines must be dropped before it exists.
const std::filesystem::path& prepared(const std::filesystem::path& run_dir,
                                      std::optional<std::int64_t> resumed_after_step) {
  if (!resumed_after_step) return run_dir;
  const std::int64_t dropped = drop_metrics_after(run_dir, *resumed_after_step);
  if (dropped > 0) {
    log_info("report", "{} line(s) beyond step {} dropped from {}", dropped, *resumed_after_step,
             metrics_path(run_dir).string());
  }
  return run_dir;
}

}  // namespace

Reporter::Reporter(const ReportConfig& config, const std::filesystem::path& run_dir,
                   std::optional<std::int64_t> resumed_after_step)
    : metrics_(prepared(run_dir, resumed_after_step)) {
  if (config.tensorboard) tensorboard_.emplace(run_dir / "tensorboard", resumed_after_step);
}

void Reporter::write(const MetricsRecord& record) {
  metrics_.write(record);
  if (tensorboard_) tensorboard_->write_scalars(record.step, record.metrics);
}

void Reporter::write_image(std::int64_t step, const std::string& tag, std::string_view png) {
  if (tensorboard_) tensorboard_->write_image(step, tag, png);
}

}  // namespace cloob

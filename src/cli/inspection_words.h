// The words of the report on data, which its text and its page share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inspection_report.h"

namespace cloob {

/// "24.7 %", or "-" of nothing.
std::string share_text(std::int64_t count, std::int64_t total);

/// A measured number, short.
std::string figure_text(double value);

struct MeasureWords {
  std::string_view title;  ///< "width of a picture"
  std::string_view unit;   ///< "pixels"
  std::string_view counted;
  HistogramScale scale;
};
MeasureWords words_of(Measure measure);

/// "1,234 of 20,000 pictures (6.2 %) have ..." and what to do about it, which may be nothing.
struct Finding {
  const Tally* tally;
  std::string headline;
  std::string advice;
};

/// The unusable samples by kind, the most frequent first.
std::vector<Finding> unusable_findings(const InspectionReport& report);
/// What looks wrong, likewise.
std::vector<Finding> suspicious_findings(const InspectionReport& report);

/// "in shards/0.tar, sample 12: 224 x 40".
std::string example_text(const InspectionExample& example);

/// That training would stop for unusable samples; empty where it would not.
std::string stop_text(const InspectionReport& report);

/// Which samples were looked at, as a sentence or two.
std::string coverage_text(const InspectionReport& report);

}  // namespace cloob

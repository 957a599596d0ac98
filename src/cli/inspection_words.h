// The wording of the data report, shared by its text and its page.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inspection_report.h"

namespace cloob {

/// "24.7 %", or "-" if `total` is 0.
std::string percent_text(std::int64_t count, std::int64_t total);

/// A measured number in few digits.
std::string figure_text(double value);

struct MeasureWords {
  std::string_view title;  ///< "Image width"
  std::string_view unit;   ///< "pixels"
  std::string_view counted;
  HistogramScale scale;
};
MeasureWords words_of(Measure measure);

/// "1,234 of 20,000 images (6.2 %) have ..." and what to do about it; `advice` may be empty.
struct Finding {
  const InspectionTally* tally;
  std::string headline;
  std::string advice;
};

/// The unusable samples by kind, the most frequent kind first.
std::vector<Finding> unusable_findings(const InspectionReport& report);
/// The suspicions, likewise.
std::vector<Finding> suspicious_findings(const InspectionReport& report);

/// "in shards/0.tar, sample 12: 224 x 40".
std::string example_text(const InspectionExample& example);

/// Says that training would stop because of unusable samples; empty if it would not.
std::string stop_text(const InspectionReport& report);

/// What to do if captions are not used; empty if all are.
std::string unused_text(const InspectionReport& report);

/// Says which samples were inspected.
std::string coverage_text(const InspectionReport& report);

}  // namespace cloob

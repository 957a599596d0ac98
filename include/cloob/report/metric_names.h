// What the metrics of a run mean to a reader: names, directions, groups, levels of chance.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// Which values are the better ones. Neither: a measure that describes a model without judging it.
enum class Better { higher, lower, neither };
template <>
struct EnumNames<Better> {
  static constexpr std::array<std::pair<std::string_view, Better>, 3> names{
      {{"higher", Better::higher}, {"lower", Better::lower}, {"neither", Better::neither}}};
};

/// In the order of a report.
enum class MetricGroup { recall, zero_shot, probe, loss, features, saturation, training, other };
std::string_view title_of(MetricGroup group);

struct MetricName {
  std::string label;  ///< "image to text, recall at 5"
  Better better = Better::neither;
  MetricGroup group = MetricGroup::other;
  bool is_fraction = false;  ///< from 0 to 1, shown in percent
};

/// Of any metric of metrics.jsonl; one that is not known keeps its own name and gets no direction.
MetricName metric_name(std::string_view metric);

/// Whether the metric describes the model, not the evaluation (numbers of images, seconds) or the level of chance.
bool is_measure(std::string_view metric);
/// Whether the metric of an evaluation says how much was evaluated.
bool is_amount(std::string_view metric);

/// Another metric of the same run.
using MetricLookup = std::function<std::optional<double>(const std::string& metric)>;

/// What a model that has learned nothing would score; unset if it is not known.
std::optional<double> chance_level(const std::string& metric, const MetricLookup& last_value);

/// How far above chance a score may be by luck: three standard errors of that many queries; unset if it is not known.
std::optional<double> chance_margin(const std::string& metric, double chance, const MetricLookup& last_value);

/// "41.2 %" for a fraction, otherwise four digits; "-" for NaN.
std::string value_text(const MetricName& name, double value);
/// "3.1 points" for a fraction.
std::string difference_text(const MetricName& name, double difference);
/// Without units: "41.2", "3.1".
std::string plain_text(const MetricName& name, double value);

}  // namespace cloob

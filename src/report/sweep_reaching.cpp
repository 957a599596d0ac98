// How soon each system has what the baseline has at the end.

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include "cloob/report/sweep_comparison.h"

namespace cloob {
namespace {

struct Evaluated {
  double value = 0, seconds = 0;
};
using Curve = std::map<double, Evaluated>;  // samples seen -> what was measured there

Curve curve_of(const SweepRun& run, const std::string& metric) {
  Curve curve;
  for (const MetricsRecord& record : metric.starts_with("val/") ? run.evaluations : run.records) {
    for (const auto& [name, value] : record.metrics) {
      if (name == metric && std::isfinite(value))
        curve[static_cast<double>(record.samples_seen)] = {value, record.time_s};
    }
  }
  return curve;
}

// Where all of them were measured.
Curve mean_of(std::span<const Curve> curves) {
  Curve mean;
  for (const auto& [samples, first] : curves.front()) {
    std::vector<double> values, seconds;
    for (const Curve& curve : curves) {
      const auto found = curve.find(samples);
      if (found == curve.end()) break;
      values.push_back(found->second.value);
      seconds.push_back(found->second.seconds);
    }
    if (values.size() == curves.size()) mean[samples] = {summarize(values).mean, summarize(seconds).mean};
  }
  return mean;
}

// The means of different seeds that are equal may differ in their last digits.
std::optional<Arrival> arrival(const Curve& curve, double target, Better better) {
  const double tolerance = 1e-12 * std::abs(target), sign = better == Better::lower ? -1 : 1;
  for (const auto& [samples, evaluated] : curve) {
    if (sign * (evaluated.value - target) >= -tolerance) return Arrival{samples, evaluated.seconds};
  }
  return std::nullopt;
}

// The final value is that of the last evaluation.
std::optional<Reaching> reaching_of(const Curve& own, const Curve& baseline, Better better) {
  if (own.empty() || baseline.empty()) return std::nullopt;
  const double target = baseline.rbegin()->second.value;
  return Reaching{
      .target = target, .own = arrival(own, target, better), .baseline = arrival(baseline, target, better)};
}

// A run whose last value is not a number has none.
bool has_result(const SweepRun& run, const std::string& metric) {
  const auto found = run.metrics.find(metric);
  return run.is_done() && found != run.metrics.end() && std::isfinite(found->second);
}

std::optional<SystemReaching> system_reaching(const SweepComparison& comparison, std::size_t index,
                                              const SweepSystem& baseline, Better better) {
  const std::string& metric = comparison.main_metric;
  SystemReaching result{.system = index};
  std::vector<Curve> own, of_baseline;
  for (const SweepRun* run : comparison.systems[index].runs) {
    const bool is_new = std::ranges::find(result.by_seed, run->seed, &Reaching::seed) == result.by_seed.end();
    const auto other = std::ranges::find(baseline.runs, run->seed, &SweepRun::seed);
    if (!is_new || other == baseline.runs.end() || !has_result(*run, metric) || !has_result(**other, metric))
      continue;
    Curve curve = curve_of(*run, metric), base = curve_of(**other, metric);
    auto of_seed = reaching_of(curve, base, better);
    if (!of_seed) continue;
    of_seed->seed = run->seed;
    result.by_seed.push_back(*of_seed);
    own.push_back(std::move(curve));
    of_baseline.push_back(std::move(base));
  }
  if (own.empty()) return std::nullopt;
  const auto mean = reaching_of(mean_of(own), mean_of(of_baseline), better);
  if (!mean) return std::nullopt;
  result.mean = *mean;
  return result;
}

double ratio(const std::optional<Arrival>& own, const std::optional<Arrival>& baseline,
             double Arrival::* quantity) {
  if (!own || !baseline || !(*baseline.*quantity > 0)) return std::nan("");
  return *own.*quantity / (*baseline.*quantity);
}

}  // namespace

double Reaching::samples_ratio() const { return ratio(own, baseline, &Arrival::samples); }
double Reaching::seconds_ratio() const { return ratio(own, baseline, &Arrival::seconds); }

std::vector<SystemReaching> find_reaching(const SweepComparison& comparison) {
  const MetricResult* const main = comparison.main_result();
  if (main == nullptr || main->name.better == Better::neither || comparison.values.size() < 2) return {};
  std::vector<SystemReaching> all;
  for (const SystemResult& result : main->systems) {
    const auto baseline = comparison.baseline_of(comparison.systems[result.system]);
    if (!baseline || result.is_other_objective) continue;
    const auto of_baseline = std::ranges::find(main->systems, *baseline, &SystemResult::system);
    if (of_baseline == main->systems.end() || of_baseline->is_at_chance) continue;
    if (auto found =
            system_reaching(comparison, result.system, comparison.systems[*baseline], main->name.better))
      all.push_back(std::move(*found));
  }
  return all;
}

}  // namespace cloob

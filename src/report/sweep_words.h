// Texts that the verdict and the tables of a sweep share.
#pragma once

#include <string>
#include <vector>

#include "cloob/report/sweep_comparison.h"

namespace cloob {

/// "p = 0.021", "p < 0.001"; "no p" for NaN.
std::string p_phrase(double p);
/// "0.021", "<0.001", "-".
std::string p_cell(double p);
/// "1.2 to 5.0 points"; "-" for NaN.
std::string interval_text(const MetricName& name, double low, double high);
/// "a, b and c"; the first `max` of them and how many more there are.
std::string list_text(const std::vector<std::string>& items, std::size_t max = 6);
/// The chosen settings of a variant or "" if it has none: "optim.lr=0.001, loss.inv_tau=30".
std::string settings_text(const std::map<std::string, std::string>& settings);
/// A count in words up to twelve: "three".
std::string count_word(std::int64_t count);

}  // namespace cloob
